// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Stream;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Recompute;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.training.RankOutcome.Piece;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;

/**
 * What some steps on some ranks give.
 *
 * @param results of each step, on rank 0
 * @param gradients of the first step, as the optimizer took them, by parameter
 * @param weights after the last step, by parameter
 */
public record RankRun(List<StepResult> results, Map<String, float[]> gradients, Map<String, float[]> weights) {
    /** Of every step. */
    public static final double LEARNING_RATE = 1e-3;

    static final int STEPS = 10;
    private static final int WIDTH = 11;
    private static final int MAX_SEQUENCES = 7;

    /**
     * How a run is done, which must not matter.
     *
     * @param microBatches of a rank in a step
     */
    public record Setup(
            int worldSize,
            Mode mode,
            boolean reduceEachMicroBatch,
            int microBatches,
            Recompute recompute,
            Precision precision,
            double clipNorm) {
        /** One rank, from one micro-batch a step. */
        public static Setup alone(Precision precision, double clipNorm) {
            return new Setup(1, Mode.REPLICATE, false, 1, Recompute.NONE, precision, clipNorm);
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
        return of(new CrossEntropyTask(folder), setup, wrapping);
    }

    /** On ranks that are threads. */
    public static RankRun of(RankTask task, Setup setup) {
        return of(task, setup, world -> world);
    }

    private static RankRun of(RankTask task, Setup setup, Wrapping wrapping) {
        Map<Integer, RankOutcome> outcomes = new ConcurrentSkipListMap<>();
        RankThreads.run(
                setup.worldSize(),
                world -> outcomes.put(world.rank(), RankOutcome.of(task, setup, wrapping.wrap(world))));
        return of(List.copyOf(outcomes.values()));
    }

    /** What all ranks together have found, in the order of the ranks. */
    static RankRun of(List<RankOutcome> outcomes) {
        List<StepResult> first = outcomes.get(0).results();
        for (int rank = 1; rank < outcomes.size(); rank++) {
            List<StepResult> own = outcomes.get(rank).results();
            if (!own.equals(first)) {
                throw new AssertionError("rank " + rank + " reports " + own + ", rank 0 " + first);
            }
        }
        return new RankRun(
                first,
                whole(outcomes.stream().map(RankOutcome::gradients)),
                whole(outcomes.stream().map(RankOutcome::weights)));
    }

    /** Parameters that ranks have pieces of. */
    private static Map<String, float[]> whole(Stream<List<Piece>> ofRanks) {
        Map<String, float[]> whole = new TreeMap<>();
        ofRanks.flatMap(List::stream).forEach(piece -> {
            float[] parameter = whole.computeIfAbsent(piece.parameter(), name -> new float[piece.elements()]);
            System.arraycopy(piece.values(), 0, parameter, piece.from(), piece.values().length);
        });
        return whole;
    }

    /** Plain language-model training of a whole folder. */
    record CrossEntropyTask(ModelFolder folder) implements RankTask {
        @Override
        public Objective objective(ModelShard shard) {
            return new LanguageModelObjective(shard, CrossEntropySettings.PLAIN, 3);
        }

        @Override
        public OptimizerConfig optimizer(double clipNorm) {
            return OptimizerConfig.adamW(LEARNING_RATE, 0.01, clipNorm);
        }

        @Override
        public int steps() {
            return STEPS;
        }

        @Override
        public List<MicroBatch> part(int step, int rank, Setup setup) {
            return RankRun.part(globalBatch(step), rank, setup.worldSize(), setup.microBatches());
        }
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
}
