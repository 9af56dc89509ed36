// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.List;

/** What the parameters are moved against; autograd follows it. */
@FunctionalInterface
public interface LossCalculator extends Component {
    /** The loss of a micro-batch, as sums that add up over micro-batches and ranks. */
    LossOutput compute(NamedTensors outputs, Context context);

    /** Parameters of the loss itself, found in {@link Context#parameter}; trained and stored like the model's. */
    default List<LearnableParameter> parameters() {
        return List.of();
    }

    /** The losses that this one is made of; itself, mostly. */
    default List<Part> parts() {
        return List.of(new Part(this, 1));
    }

    /** A loss in a composite, and its factor there. */
    record Part(LossCalculator loss, double weight) {}
}
