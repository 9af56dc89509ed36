// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

/** Changes what the model gave before the loss sees it; autograd follows it. */
@FunctionalInterface
public interface PostProcessor extends Component {
    /**
     * Processes the outputs of a micro-batch.
     *
     * @param outputs of the model, {@code logits} [B, T, V] and {@code hidden} [B, T, D] for a language model, and what
     *     postprocessors before this one gave
     * @return what flows on; tensors that the contract does not name flow on by themselves
     */
    NamedTensors process(NamedTensors outputs, Context context);
}
