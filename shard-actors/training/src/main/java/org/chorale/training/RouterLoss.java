// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;
import org.chorale.model.layer.RouterBalance;
import org.chorale.model.layer.SequenceContext;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * The loss that makes routers spread tokens evenly over their experts (Fedus et al. 2021, arXiv 2101.03961, equations 4
 * to 6), as Transformers has it:
 *
 * <pre>
 * c · E · Σ f_e · P_e      over the E experts
 * f_e  how many of all routings of a token went to expert e, k of them for each: no gradient goes through it
 * P_e  the probability that the routers gave it, on average
 * </pre>
 *
 * <p>Both are means over all routers and all tokens that are no padding, labelled or not. Transformers takes those of one
 * micro-batch on one rank. The product of two means is not the sum of its parts, so a run would train on another loss
 * wherever its batches are cut in another way, and small parts ask of each text what only all texts together should do
 * (Qiu et al. 2025, arXiv 2501.11873). Here they are those of the whole global batch, so that neither ranks nor
 * micro-batches matter; of a batch that is one micro-batch on one rank it is what Transformers gives.
 *
 * <p>The gradient needs f before the first backward. With one micro-batch a step it is known by then; with more, each is
 * run forward once before all others, which costs about a quarter of the step's time.
 */
final class RouterLoss {
    private static final String TERM = "router";
    private static final int BEHIND = 2; // numbers behind those of the experts: tokens, labels

    private final double coefficient;
    private final int experts;
    private final long routers;
    private final Device device;
    private final Collectives world;

    private RouterLoss(double coefficient, List<Mixture> mixtures, ModelShard shard) {
        this.coefficient = coefficient;
        this.experts = mixtures.get(0).experts().size();
        this.routers = mixtures.size();
        this.device = shard.device();
        this.world = shard.ranks().world();
    }

    /**
     * Empty where nothing asks for it.
     *
     * @throws IllegalArgumentException where it is asked for of a model without routers
     */
    static Optional<RouterLoss> of(ModelShard shard, CrossEntropySettings settings) {
        List<Mixture> mixtures = shard.model().config().mixtures().toList();
        double coefficient = settings.routerCoefficient(shard.model().config());
        return coefficient == 0 ? Optional.empty() : Optional.of(new RouterLoss(coefficient, mixtures, shard));
    }

    /**
     * Begins a step. What it holds is in the open scope.
     *
     * @param upstream [1]: gradients are multiplied by it; null for 1
     */
    Step begin(List<MicroBatch> microBatches, @Nullable Tensor upstream) {
        return new Step(microBatches, upstream);
    }

    /** The loss of one step: first it counts, and once it is settled it corrects. */
    final class Step {
        private final @Nullable Tensor upstream;
        private final double labels; // of this rank
        private final Tensor counts; // [2E + 2] fp64: tokens sent to each expert, probabilities of each, tokens, labels
        private final Tensor slope; // [1, E] fp64
        private final Tensor loss; // [1] fp64
        private boolean settled;

        private Step(List<MicroBatch> microBatches, @Nullable Tensor upstream) {
            this.upstream = upstream;
            this.labels = microBatches.stream()
                    .mapToDouble(microBatch -> microBatch.predictingRows().length)
                    .sum();
            double tokens = microBatches.stream()
                    .mapToDouble(
                            microBatch -> Arrays.stream(microBatch.realTokens()).sum())
                    .sum();
            double[] numbers = new double[2 * experts + BEHIND];
            numbers[2 * experts] = (double) routers * tokens;
            numbers[2 * experts + 1] = labels;
            this.counts = device.ofDoubles(numbers, numbers.length);
            this.slope = device.zeros(ScalarType.Double, 1, experts);
            this.loss = device.zeros(ScalarType.Double, 1);
        }

        /**
         * The context of a forward.
         *
         * @param realTokens [R], 0 for padding
         */
        SequenceContext ofForward(SequenceContext context, Tensor realTokens) {
            Tensor sums = counts.narrow(0, 0, 2L * experts).view(2, experts);
            return settled ? context : context.withBalance(RouterBalance.counting(rows(realTokens), sums));
        }

        /** That of its backward. */
        SequenceContext ofBackward(SequenceContext context, Tensor realTokens) {
            return context.withBalance(RouterBalance.correcting(rows(realTokens), slope));
        }

        private Tensor rows(Tensor realTokens) {
            return realTokens.to(ScalarType.Float).unsqueeze(1);
        }

        /** After all forwards and before all backwards, on all ranks together. Nothing happens the second time. */
        void settle() {
            if (settled) {
                return;
            }
            settled = true;
            try (TensorScope scope = new TensorScope()) {
                if (world.worldSize() > 1) {
                    world.allReduce(counts, Reduction.SUM).await();
                }
                Tensor routings = counts.narrow(0, 2L * experts, 1).clamp_min(Scalars.of(1));
                Tensor shares = counts.narrow(0, 0, experts).div(routings).mul_(Scalars.of(coefficient * experts));
                Tensor means = counts.narrow(0, experts, experts).div(routings);
                loss.copy_(shares.dot(means));
                shares.div_(routings).mul_(counts.narrow(0, 2L * experts + 1, 1)); // gradients are divided by labels
                slope.copy_(upstream == null ? shares : shares.mul_(upstream));
            }
        }

        /** Every rank gives its share of the labels' weight, so that the mean over all ranks is the loss. */
        void addTo(StepSums sums) {
            try (TensorScope scope = new TensorScope()) {
                sums.addTerm(TERM, loss.mul(Scalars.of(labels)), labels);
            }
        }
    }
}
