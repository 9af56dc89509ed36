// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.model.decoder.DecoderMemory;
import org.chorale.model.decoder.DecoderMemory.Beside;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.training.shard.ModelShard;

/**
 * What a model's blocks recompute, and the memory that a step takes with it beside what is held between steps, by formula.
 *
 * <p>Ranks may choose differently, where one has less memory than others: what a block recomputes lies between the same
 * two collectives and changes no gradient.
 *
 * @param words how many blocks recompute what
 * @param keptBytes from forward to backward
 * @param peakBytes at most at once, units' whole buffers and gradients that come and go included
 * @param budgetBytes that there were for the peak where it was chosen
 * @param savings what keeps less, for people; empty where nothing does
 */
public record ActivationPlan(
        RecomputePlan recompute,
        String words,
        long keptBytes,
        long peakBytes,
        Optional<Long> budgetBytes,
        Optional<String> savings) {
    /** The share of a GPU's memory that is left to libraries' workspace and to gaps between tensors. */
    private static final double RESERVE = 0.05;

    /**
     * Chooses where the policy does not say, and tells the model.
     *
     * @param shard with its weights; an optimizer's state, too, is there already
     * @param sequences in the largest micro-batch
     * @param tokens in the longest sequence
     * @param accumulates whether a step may have several micro-batches
     * @throws IllegalArgumentException where a choice is asked for on a CPU
     */
    public static ActivationPlan apply(
            RecomputePolicy policy, ModelShard shard, long sequences, long tokens, boolean accumulates) {
        Work work = new Work(shard.model().memory(), sequences, tokens, shard.forecast(accumulates));
        ActivationPlan plan = policy.plan()
                .map(stated -> work.plan(stated, Optional.empty()))
                .orElseGet(() -> work.within(budgetBytes(shard.device())));
        shard.model().recompute(plan.recompute);
        return plan;
    }

    /** What is left of a GPU beside all that is held there. */
    private static long budgetBytes(Device device) {
        if (!device.isCuda()) {
            throw new IllegalArgumentException(
                    "model.recompute = auto: only a GPU has memory of its own to choose by; on the CPU it is none,"
                            + " selective or full");
        }
        long attainable = DeviceMemory.attainableBytes(device);
        return (long) ((1 - RESERVE) * (double) attainable)
                - DeviceMemory.of(device).allocatedBytes();
    }

    /**
     * A micro-batch through a model.
     *
     * @param tokens in a sequence
     * @param beside what comes and goes beside activations
     */
    record Work(DecoderMemory memory, long sequences, long tokens, Beside beside) {
        /** The cheapest plan that fits; where none does, the one that takes the least, for formulas err on the safe side. */
        ActivationPlan within(long budgetBytes) {
            RecomputePlan plan = memory.cheapest(rows(), tokens, lossBytes(), beside, budgetBytes)
                    .orElseGet(() -> RecomputePolicy.FULL.plan().orElseThrow());
            return plan(plan, Optional.of(budgetBytes));
        }

        ActivationPlan plan(RecomputePlan recompute, Optional<Long> budgetBytes) {
            return new ActivationPlan(
                    recompute,
                    memory.words(recompute),
                    memory.keptBytes(recompute, rows()),
                    memory.peakBytes(recompute, rows(), lossBytes(), beside),
                    budgetBytes,
                    savings(memory.keptBytes(recompute, rows())));
        }

        private Optional<String> savings(long keptBytes) {
            String words = Stream.of(RecomputePolicy.SELECTIVE, RecomputePolicy.FULL)
                    .map(policy -> saving(policy, keptBytes))
                    .flatMap(Optional::stream)
                    .collect(Collectors.joining(", "));
            return words.isEmpty()
                    ? Optional.empty()
                    : Optional.of("model.recompute = auto, %s, in the place of %s of activations"
                            .formatted(words, gibibytes(keptBytes)));
        }

        private Optional<String> saving(RecomputePolicy policy, long keptBytes) {
            long bytes = memory.keptBytes(policy.plan().orElseThrow(), rows());
            return bytes < keptBytes
                    ? Optional.of("%s (%s)".formatted(policy.word(), gibibytes(bytes)))
                    : Optional.empty();
        }

        private long rows() {
            return sequences * tokens;
        }

        private long lossBytes() {
            return LanguageModelObjective.lossBytes(memory, rows());
        }
    }

    /** Whether, by the formula, there is memory for it. */
    public boolean fits() {
        return budgetBytes.map(budget -> peakBytes <= budget).orElse(true);
    }

    /** For people. */
    @Override
    public String toString() {
        return "recompute %s; activations %s, with buffers and gradients %s at most%s"
                .formatted(
                        words,
                        gibibytes(keptBytes),
                        gibibytes(peakBytes),
                        budgetBytes.map(budget -> " of " + gibibytes(budget)).orElse(""));
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GiB", (double) bytes / (1 << 30));
    }
}
