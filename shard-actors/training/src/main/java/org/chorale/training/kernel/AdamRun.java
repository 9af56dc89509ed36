// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A run of flat buffers that Adam moves alike, each [elements].
 *
 * @param weights as they are trained, fp32 or bf16, as the moments are
 * @param gradients fp32 or bf16
 * @param values the copy of the weights that forward and backward read; null where they read the weights themselves
 */
public record AdamRun(
        Tensor weights,
        Tensor gradients,
        Tensor firstMoments,
        Tensor secondMoments,
        @Nullable Tensor values) {}
