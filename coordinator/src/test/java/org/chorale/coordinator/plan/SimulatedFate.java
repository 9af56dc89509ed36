// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.chorale.coordinator.plan.CheckpointSettings.Exported;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.StepReport;

/** A run's settings, and what its steps and evaluations come to, whoever computes them and how often. */
final class SimulatedFate implements SimulatedWorker.Model {
    private static final List<String> MODES = List.of("full-shard", "keep-gathered", "optimizer-only", "replicate");

    final RunTerms terms;
    final DataFacts data;
    private final Set<Long> notFinite = new HashSet<>();
    private final Set<Long> overflowing = new HashSet<>(); // of those, where the loss scale adapts
    private final Map<Long, Double> heldOutLoss = new HashMap<>();
    private final long brokenStep; // of which a row cannot be read; also one that no run comes to
    private final int brokenRank; // whose row it is

    SimulatedFate(Random random) {
        int workers = 1 + random.nextInt(4);
        terms = Runs.terms(
                "run.epochs = " + (1 + random.nextInt(4)),
                "run.non-finite-steps = " + random.nextInt(3),
                "checkpoint.every = " + random.nextInt(5),
                "checkpoint.keep = " + (1 + random.nextInt(2)),
                "evaluation.every = " + random.nextInt(4),
                "parallel.workers = " + workers,
                "parallel.feeders = " + (1 + random.nextInt(Math.min(2, workers))),
                "parallel.recoveries = " + random.nextInt(4),
                cut(workers, random),
                compared(random.nextInt(4)));
        long heldOut = random.nextInt(2) * 3L;
        boolean needed = terms.checkpoint().keepBest() || terms.evaluation().patience() > 0;
        data = new DataFacts(12, 1 + random.nextInt(20), 0, needed ? 3 : heldOut, 100, "abc");
        for (long step = 1; step <= total(); step++) {
            if (random.nextInt(8) == 0) {
                notFinite.add(step);
                if (random.nextInt(4) == 0) {
                    overflowing.add(step);
                }
            }
            heldOutLoss.put(step, random.nextInt(6) == 0 ? Double.NaN : random.nextDouble());
        }
        brokenStep = random.nextInt(4) == 0 ? 1 + random.nextInt((int) total() + 3) : Long.MAX_VALUE;
        brokenRank = random.nextInt(workers);
    }

    private static String cut(int workers, Random random) {
        return workers == 4 && random.nextBoolean()
                ? "parallel { mode = hybrid, shard-size = 2 }"
                : "parallel.mode = " + MODES.get(random.nextInt(MODES.size()));
    }

    private static String compared(int kind) {
        return switch (kind) {
            case 0 -> "checkpoint.keep-best = true";
            case 1 -> "checkpoint { keep-best = true, export = best }";
            case 2 -> "checkpoint { keep-best = true, export = best }, evaluation.patience = 2";
            default -> "evaluation.patience = 0";
        };
    }

    /** A sample for each rank. */
    @Override
    public StepReport step(long step, int rank, int worldSize) {
        return Runs.step(step, notFinite.contains(step)).toBuilder()
                .clearSamples()
                .addSamples(step * worldSize + rank)
                .setTokens(1)
                .setOverflow(overflowing.contains(step))
                .build();
    }

    @Override
    public EvaluationReport evaluation(long step) {
        return EvaluationReport.newBuilder()
                .setStep(step)
                .setLossNats(loss(step))
                .build();
    }

    @Override
    public boolean isBroken(long step, int rank) {
        return step >= brokenStep && rank == brokenRank; // no stream goes on beyond what cannot be read
    }

    /** Whether an undisturbed run comes to a row that cannot be read. */
    boolean needsBrokenRow() {
        return brokenStep <= lastStep();
    }

    /** The last step before such a row. */
    long lastReadableStep() {
        return brokenStep - 1;
    }

    private double loss(long step) {
        return heldOutLoss.getOrDefault(step, 0.0); // the untrained model's is the lowest, and does not count
    }

    long total() {
        return terms.totalSteps(data);
    }

    /** The metrics that a run without any mishap would have up to its last step. */
    List<String> undisturbedMetrics() {
        List<String> lines = new ArrayList<>();
        for (long step = 0; step <= lastStep(); step++) {
            if (step > 0) {
                lines.add("step " + step);
            }
            boolean due = step == 0 || step == total() || terms.evaluationFallsOn(step);
            if (due && data.evaluationExamples() > 0) {
                lines.add("eval " + step);
            }
        }
        return lines;
    }

    /** The step whose model an undisturbed run exports; empty where it should be the best one's and there is none. */
    Optional<Long> resultingStep() {
        return terms.checkpoint().export() == Exported.LAST ? Optional.of(lastStep()) : bestUpTo(lastStep());
    }

    /** The last step of an undisturbed run, which may end early. */
    long lastStep() {
        int sinceBest = 0;
        for (long step = 1; step < total(); step++) {
            if (terms.evaluationFallsOn(step) && data.evaluationExamples() > 0) {
                sinceBest = bestUpTo(step).equals(Optional.of(step)) ? 0 : sinceBest + 1;
                if (terms.evaluation().patience() > 0
                        && sinceBest == terms.evaluation().patience()) {
                    return step;
                }
            }
        }
        return total();
    }

    /** The first of the lowest losses at the evaluations up to a step. */
    Optional<Long> bestUpTo(long last) {
        return LongStream.rangeClosed(1, last)
                .filter(step -> terms.evaluationFallsOn(step) || step == total())
                .filter(step -> data.evaluationExamples() > 0 && Double.isFinite(loss(step)))
                .boxed()
                .min(Comparator.comparingDouble(this::loss));
    }

    /** Whether the steps up to and including this one are as many in a row as end a run. */
    boolean tooManyNotFinite(long step) {
        return notFiniteInARow(step) > terms.run().nonFiniteSteps();
    }

    /** Overflows neither count nor end a row. */
    int notFiniteInARow(long until) {
        int row = 0;
        for (long step = until; notFinite.contains(step); step--) {
            row += overflowing.contains(step) ? 0 : 1;
        }
        return row;
    }
}
