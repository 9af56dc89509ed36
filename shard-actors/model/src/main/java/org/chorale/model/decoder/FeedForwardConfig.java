// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import java.util.stream.Stream;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.MixtureOfExperts;
import org.chorale.model.outline.LinearOutline;

/** The feed-forward network of a block. */
public sealed interface FeedForwardConfig {
    /** Its linears in the order of the unit's buffer, those together whose weights are read as one. */
    List<List<LinearOutline>> groups();

    /** Bytes that a forward keeps of each row. */
    long keptBytes(long narrow, long wide);

    /** Bytes that it keeps however many rows there are. */
    long keptOnceBytes();

    /**
     * Bytes that a backward takes for each row beside what it reads.
     *
     * @param width D
     */
    long backwardBytes(long narrow, long wide, long width);

    /** Bytes that it takes at most however many rows there are. */
    long backwardOnceBytes(long narrow);

    /** Weights that a row is multiplied by where what only the result needs is left out. */
    long repeatedWeights();

    /** Weights that a row is multiplied by. */
    long activeWeights();

    /** In the order of the forward pass. */
    default Stream<LinearOutline> linears() {
        return groups().stream().flatMap(List::stream);
    }

    /**
     * One network for all rows.
     *
     * @param inputs linears that read its input: gate and up, or one for both, or, where it is not gated, up alone
     * @param gated whether what up gives is multiplied by what gate gives, activated
     * @param down the linear behind it
     * @param innerWidth F
     */
    record Dense(List<LinearOutline> inputs, boolean gated, Activation activation, LinearOutline down, long innerWidth)
            implements FeedForwardConfig {
        public Dense {
            inputs = List.copyOf(inputs);
        }

        @Override
        public List<List<LinearOutline>> groups() {
            return List.of(inputs, List.of(down));
        }

        /** What the linears give that read its input. */
        @Override
        public long keptBytes(long narrow, long wide) {
            return narrow * (gated ? 2 * innerWidth : innerWidth);
        }

        @Override
        public long keptOnceBytes() {
            return 0;
        }

        /** The gradient of what down was given, that itself, and once more where an adapter drops some of it. */
        @Override
        public long backwardBytes(long narrow, long wide, long width) {
            return 3 * narrow * innerWidth;
        }

        @Override
        public long backwardOnceBytes(long narrow) {
            return 0;
        }

        @Override
        public long repeatedWeights() {
            return inputs.stream().mapToLong(FeedForwardConfig::weights).sum();
        }

        @Override
        public long activeWeights() {
            return repeatedWeights() + weights(down);
        }
    }

    /**
     * A router that sends each row to some networks of many.
     *
     * @param router the linear that it chooses by
     * @param experts E gated networks without biases, all of one shape
     * @param chosen k, experts of each row
     * @param normalised whether the weights of a row's experts add up to 1
     * @param balance what the loss that balances routers is multiplied by where a run does not say; 0 for none
     */
    record Mixture(LinearOutline router, List<Dense> experts, int chosen, boolean normalised, double balance)
            implements FeedForwardConfig {
        public Mixture {
            experts = List.copyOf(experts);
            if (experts.stream().flatMap(Dense::linears).anyMatch(LinearOutline::bias)) {
                throw new IllegalArgumentException("an expert has no biases");
            }
        }

        @Override
        public List<List<LinearOutline>> groups() {
            return Stream.concat(
                            Stream.of(List.of(router)), experts.stream().flatMap(expert -> expert.groups().stream()))
                    .toList();
        }

        /** The probabilities, the experts that were chosen, the order of the slots, and what those experts keep. */
        @Override
        public long keptBytes(long narrow, long wide) {
            return wide * experts.size()
                    + 2L * Long.BYTES * chosen
                    + chosen * experts.get(0).keptBytes(narrow, wide);
        }

        /** Where the slots of each expert end. */
        @Override
        public long keptOnceBytes() {
            return (long) Integer.BYTES * experts.size();
        }

        /**
         * As if all slots were one expert's: three of the inner width, one of them in fp32 once more; of each slot, its
         * input, its gradient and what comes back; of each row, a sum in fp32; and three of the experts' number.
         */
        @Override
        public long backwardBytes(long narrow, long wide, long width) {
            Dense expert = experts.get(0);
            long ofSlot = expert.backwardBytes(narrow, wide, width) + wide * expert.innerWidth() + 3 * narrow * width;
            return chosen * ofSlot + wide * (width + 3L * experts.size());
        }

        /** What all experts add to the gradients of gate and up, or as much of it as is made at once. */
        @Override
        public long backwardOnceBytes(long narrow) {
            long ofExpert = experts.get(0).inputs().stream()
                    .mapToLong(FeedForwardConfig::weights)
                    .sum();
            return Math.min(MixtureOfExperts.ADDEND_BYTES, narrow * experts.size() * ofExpert);
        }

        @Override
        public long repeatedWeights() {
            return weights(router) + chosen * experts.get(0).repeatedWeights();
        }

        @Override
        public long activeWeights() {
            return weights(router) + chosen * experts.get(0).activeWeights();
        }

        /** The share of rows that each expert has, were they spread evenly. */
        public double share() {
            return (double) chosen / experts.size();
        }
    }

    private static long weights(LinearOutline linear) {
        return linear.inputs() * linear.outputs();
    }
}
