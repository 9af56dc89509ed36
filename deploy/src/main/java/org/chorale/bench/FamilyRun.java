// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.device.Device;
import org.chorale.training.LanguageModelObjective;
import org.chorale.training.MicroBatch;
import org.chorale.training.StepResult;
import org.chorale.training.TrainStep;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;

/**
 * Some steps of a {@link FamilyRow} on one device.
 *
 * @param gradients of the first two steps, as the optimizer took them, by parameter: an adapter's A has one only once B
 *     has moved
 */
record FamilyRun(List<StepResult> results, List<Map<String, float[]>> gradients) {
    static final int STEPS = 8;
    private static final int STEPS_WITH_GRADIENTS = 2;
    private static final double LEARNING_RATE = 1e-3;
    private static final double CLIP_NORM = 1;

    /** Of the largest gradient of all: below it a gradient, such as that of a key's bias, may be rounding alone. */
    private static final double SMALLEST = 1e-2;

    static FamilyRun of(FamilyRow row, Precision precision, Device device) {
        try (ModelFolder folder = row.open();
                ModelShard shard = new ModelShard(
                        folder,
                        folder.units().stream()
                                .map(unit -> UnitLayout.whole(unit, precision))
                                .toList(),
                        RankGroups.alone(),
                        device)) {
            shard.model().recompute(RecomputePlan.every(row.recompute()));
            shard.load(folder);
            OptimizerConfig config = OptimizerConfig.adamW(LEARNING_RATE, 0.01, CLIP_NORM);
            NotedGradients gradients = new NotedGradients(shard.groups(), STEPS_WITH_GRADIENTS);
            try (WatchedOptimizer optimizer =
                            new WatchedOptimizer(new AdamW(config, shard.groups()), gradients::note, () -> {});
                    LanguageModelObjective objective =
                            new LanguageModelObjective(shard, CrossEntropySettings.PLAIN, 3)) {
                TrainStep step = new TrainStep(shard, optimizer, CLIP_NORM, objective, null);
                List<StepResult> results = new ArrayList<>();
                for (int i = 1; i <= STEPS; i++) {
                    MicroBatch batch = row.batch(i, folder.config().vocabulary());
                    results.add(step.run(i, List.of(batch), LEARNING_RATE, false));
                }
                return new FamilyRun(results, gradients.noted());
            }
        }
    }

    /** The largest absolute difference of the losses. */
    double lossError(FamilyRun reference) {
        return IntStream.range(0, STEPS)
                .mapToDouble(i -> Math.abs(
                        results.get(i).lossNats() - reference.results.get(i).lossNats()))
                .max()
                .orElseThrow();
    }

    /** The largest relative difference of the gradients' norms. */
    double normError(FamilyRun reference) {
        return IntStream.range(0, STEPS)
                .mapToDouble(i -> Math.abs(
                        results.get(i).gradNorm() / reference.results.get(i).gradNorm() - 1))
                .max()
                .orElseThrow();
    }

    /**
     * The largest difference of a step's gradients, as a share of the largest magnitude in the same parameter.
     *
     * @param step 0 or 1
     */
    double gradientError(FamilyRun reference, int step) {
        Map<String, float[]> expected = reference.gradients.get(step);
        double floor = SMALLEST
                * expected.values().stream()
                        .mapToDouble(FamilyRun::largest)
                        .max()
                        .orElseThrow();
        double worst = 0;
        for (Map.Entry<String, float[]> entry : expected.entrySet()) {
            float[] found = Objects.requireNonNull(gradients.get(step).get(entry.getKey()));
            double unit = Math.max(floor, largest(entry.getValue()));
            worst = Math.max(worst, difference(found, entry.getValue()) / unit);
        }
        return worst;
    }

    /** NaN where one of them is. */
    private static double difference(float[] some, float[] others) {
        return IntStream.range(0, some.length)
                .mapToDouble(i -> Math.abs(some[i] - others[i]))
                .reduce(0, Math::max);
    }

    private static double largest(float[] values) {
        return IntStream.range(0, values.length)
                .mapToDouble(i -> Math.abs(values[i]))
                .reduce(0, Math::max);
    }
}
