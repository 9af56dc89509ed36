// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

/** Changes a micro-batch before the model sees it; runs without autograd. */
@FunctionalInterface
public interface PreProcessor extends Component {
    /**
     * Processes a micro-batch.
     *
     * @param batch {@code batch} [B, T] int64 at first, or the fields of {@code data.numbers}, and what preprocessors before this one gave
     * @return what flows on; tensors that the contract does not name flow on by themselves
     */
    NamedTensors process(NamedTensors batch, Context context);
}
