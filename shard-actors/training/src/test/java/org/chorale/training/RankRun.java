// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * What some steps on some ranks give.
 *
 * @param results of each step, on rank 0
 * @param gradients of the first step, as the optimizer took them, by parameter
 * @param weights after the last step, by parameter
 */
record RankRun(List<StepResult> results, Map<String, float[]> gradients, Map<String, float[]> weights) {
    static final int STEPS = 10;
    static final double LEARNING_RATE = 1e-3;
    private static final int WIDTH = 11;
    private static final int MAX_SEQUENCES = 7;

    /**
     * How a run is done, which must not matter.
     *
     * @param microBatches of a rank in a step
     */
    record Setup(
            int worldSize,
            Mode mode,
            boolean reduceEachMicroBatch,
            int microBatches,
            boolean recompute,
            Precision precision,
            double clipNorm) {
        static Setup alone(Precision precision, double clipNorm) {
            return new Setup(1, Mode.REPLICATE, false, 1, false, precision, clipNorm);
        }
    }

    /** What a rank's collectives are wrapped in. */
    interface Wrapping {
        Collectives wrap(Collectives world);
    }

    static RankRun of(ModelFolder folder, Setup setup) {
        return of(folder, setup, world -> world);
    }

    static RankRun of(ModelFolder folder, Setup setup, Wrapping wrapping) {
        Map<Integer, List<StepResult>> results = new ConcurrentSkipListMap<>();
        Parts gradients = new Parts();
        Parts weights = new Parts();
        RankThreads.run(setup.worldSize(), given -> {
            Collectives world = wrapping.wrap(given);
            OptimizerConfig config = OptimizerConfig.adamW(LEARNING_RATE, 0.01, setup.clipNorm());
            try (RankGroups ranks = setup.mode().groups(world, setup.reduceEachMicroBatch());
                    ModelShard shard = RankShards.load(folder, setup.precision(), setup.recompute(), ranks);
                    AdamW optimizer = new AdamW(config, shard.groups());
                    LossScale lossScale = LossScale.of(setup.precision())) {
                Objective objective = new LanguageModelObjective(shard.model(), CrossEntropySettings.PLAIN, 3);
                TrainStep step = new TrainStep(shard, optimizer, setup.clipNorm(), objective, lossScale);
                List<StepResult> own = new ArrayList<>();
                for (int i = 1; i <= STEPS; i++) {
                    List<MicroBatch> batches =
                            part(globalBatch(i), world.rank(), setup.worldSize(), setup.microBatches());
                    own.add(step.run(i, batches, LEARNING_RATE, false));
                    if (i == 1) {
                        shard.groups().forEach(group -> gradients.add(group, group.gradients()));
                    }
                }
                shard.groups().forEach(group -> weights.add(group, group.master()));
                results.put(world.rank(), own);
            }
        });
        List<StepResult> first = results.values().iterator().next();
        results.forEach((rank, own) -> {
            if (!own.equals(first)) {
                throw new AssertionError("rank " + rank + " reports " + own + ", rank 0 " + first);
            }
        });
        return new RankRun(first, gradients.whole(), weights.whole());
    }

    /** From one sequence, so that most ranks have none, to seven. */
    static MicroBatch globalBatch(int step) {
        return TinyModel.batch(step, step % 4 == 0 ? 1 : 3 + step % 5, WIDTH);
    }

    /** A rank's neighbouring sequences of a batch, in as many micro-batches as every rank has, some of them empty. */
    static List<MicroBatch> part(MicroBatch batch, int rank, int worldSize, int microBatches) {
        int from = batch.sequences() * rank / worldSize;
        int count = batch.sequences() * (rank + 1) / worldSize - from;
        int each = (MAX_SEQUENCES + microBatches - 1) / microBatches;
        List<MicroBatch> parts = new ArrayList<>();
        for (int i = 0; i < microBatches; i++) {
            int first = Math.min(count, i * each);
            int last = i + 1 == microBatches ? count : Math.min(count, (i + 1) * each);
            parts.add(TinyModel.part(batch, from + first, from + last));
        }
        return parts;
    }

    /** Parameters that ranks have parts of. */
    private static final class Parts {
        private final Map<String, float[]> whole = new TreeMap<>();

        synchronized void add(FlatGroup group, Tensor part) {
            float[] values = read(part);
            for (Slice slice : group.layout().slices()) {
                float[] parameter = whole.computeIfAbsent(
                        slice.segment().parameter(),
                        name -> new float[(int) slice.segment().elements()]);
                System.arraycopy(values, (int) slice.at(), parameter, (int) slice.from(), (int) slice.elements());
            }
            checkPadding(group, values);
        }

        synchronized Map<String, float[]> whole() {
            return whole;
        }

        private static void checkPadding(FlatGroup group, float[] values) {
            for (Slice slice : group.layout().slices()) {
                Arrays.fill(values, (int) slice.at(), (int) (slice.at() + slice.elements()), 0);
            }
            for (float value : values) {
                if (value != 0) {
                    throw new AssertionError("padding of " + group.parameters().keySet() + " is " + value);
                }
            }
        }
    }

    private static float[] read(Tensor tensor) {
        try (TensorScope scope = new TensorScope()) {
            float[] values = new float[(int) tensor.numel()];
            tensor.contiguous().<FloatBuffer>createBuffer().get(values);
            return values;
        }
    }
}
