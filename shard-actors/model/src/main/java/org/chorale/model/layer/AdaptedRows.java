// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What an adapted linear makes of its input on the way to its output, and its backward reads.
 *
 * @param inner A·drop(x), [R, r]
 * @param sum what a {@link Magnitude} scales, [R, O]; null where there is none
 */
record AdaptedRows(Tensor inner, @Nullable Tensor sum) {}
