// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import org.bytedeco.pytorch.Tensor;

/**
 * A loss as a sum, so that micro-batches and ranks of any size add up: the loss of a step is Σ sum ÷ Σ weight over the
 * whole global batch.
 *
 * @param sum [] fp32, over what counts
 * @param weight how much counts: tokens, for a language model
 * @param gradient of the sum with respect to the logits
 */
public record LossOutput(Tensor sum, long weight, Tensor gradient) {}
