// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch.Role;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.preference.DpoLoss.Variant;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;

/**
 * What some steps on preferences give.
 *
 * @param before the metrics of an evaluation before the first step
 * @param results of each step, on every rank
 * @param after likewise after the last, and the loss
 */
record PreferenceRun(Map<String, Double> before, List<StepResult> results, Map<String, Double> after, double loss) {
    static final double LEARNING_RATE = 1e-2;
    private static final int WIDTH = 9;
    private static final int STEPS = 6;
    private static final int MAX_EXAMPLES = 6;

    /**
     * How a run is done, which must not matter.
     *
     * @param microBatches of a rank in a step
     */
    record Cut(int worldSize, Mode mode, int microBatches, Precision precision) {
        static final Cut ALONE = alone(Precision.FP32);

        static Cut alone(Precision precision) {
            return new Cut(1, Mode.REPLICATE, 1, precision);
        }
    }

    /** Of a type, with the usual settings. */
    static PreferenceConfig config(PreferenceConfig.Type type) {
        return config(type, Optional.empty(), Optional.empty());
    }

    static PreferenceConfig config(
            PreferenceConfig.Type type, Optional<Variant> variant, Optional<PreferenceConfig.Reference> reference) {
        return new PreferenceConfig(
                Optional.of(type),
                Optional.empty(),
                variant,
                Optional.empty(),
                reference,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /** On ranks that are threads, all of which find the same. */
    static PreferenceRun of(ModelFolder folder, PreferenceConfig config, Cut cut) {
        return of(folder, config, cut, Optional.empty());
    }

    /** @param known in the place of a reference that runs beside */
    static PreferenceRun of(ModelFolder folder, PreferenceConfig config, Cut cut, Optional<ReferenceScores> known) {
        Map<Integer, PreferenceRun> runs = new ConcurrentSkipListMap<>();
        RankThreads.run(cut.worldSize(), world -> runs.put(world.rank(), ofRank(folder, config, cut, known, world)));
        List<PreferenceRun> distinct = runs.values().stream().distinct().toList();
        if (distinct.size() != 1) {
            throw new AssertionError("the ranks find different things: " + distinct);
        }
        return distinct.get(0);
    }

    private static PreferenceRun ofRank(
            ModelFolder folder, PreferenceConfig config, Cut cut, Optional<ReferenceScores> known, Collectives world) {
        Optional<Reference> reference = known.isPresent() ? Optional.empty() : Reference.of(folder, config);
        ParameterSource source = reference.map(other -> other.beside(folder)).orElse(folder);
        try (RankGroups ranks = cut.mode().groups(world, true);
                ModelShard shard = RankShards.load(folder, source, cut.precision(), ranks);
                LossScale lossScale = LossScale.of(cut.precision(), Device.CPU);
                AdamW optimizer = new AdamW(OptimizerConfig.adamW(LEARNING_RATE, 0, 1), shard.groups());
                Objective objective =
                        objective(shard, config, known.or(() -> reference.map(other -> other.over(shard))))) {
            TrainStep step = new TrainStep(shard, optimizer, 1, objective, lossScale);
            Evaluation before = evaluate(objective, config, cut, world);
            List<StepResult> results = new ArrayList<>();
            for (int i = 1; i <= STEPS; i++) {
                results.add(step.run(i, parts(ofStep(config, i), cut, world.rank()), LEARNING_RATE, false));
            }
            Evaluation after = evaluate(objective, config, cut, world);
            return new PreferenceRun(before.metrics(), results, after.metrics(), after.lossNats());
        }
    }

    /** Told of every step's end. */
    interface Follower {
        void follow(int step, RankState state);
    }

    /** Steps on one rank, each of which has its own batch. */
    static List<StepResult> steps(ModelFolder folder, PreferenceConfig config, int until, Follower follower) {
        return steps(Optional.empty(), folder, config, until, follower);
    }

    /** Likewise, from a checkpoint on. */
    static List<StepResult> stepsAfter(StoredFile checkpoint, ModelFolder folder, PreferenceConfig config, int until) {
        return steps(Optional.of(checkpoint), folder, config, until, (step, state) -> {});
    }

    private static List<StepResult> steps(
            Optional<StoredFile> checkpoint,
            ModelFolder folder,
            PreferenceConfig config,
            int until,
            Follower follower) {
        Optional<Reference> reference = Reference.of(folder, config);
        ParameterSource source = reference.map(other -> other.beside(folder)).orElse(folder);
        try (ModelShard shard = RankShards.load(folder, source, Precision.FP32, RankGroups.alone());
                AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
                LossScale lossScale = LossScale.none();
                Objective objective = objective(shard, config, reference.map(other -> other.over(shard)))) {
            RankState state = new RankState(source, shard, optimizer, lossScale);
            long done = checkpoint
                    .map(file -> CheckpointReader.restore(List.of(file), state))
                    .orElse(0L);
            TrainStep step = new TrainStep(shard, optimizer, 1, objective, null);
            List<StepResult> results = new ArrayList<>();
            for (int i = (int) done + 1; i <= until; i++) {
                results.add(step.run(i, List.of(batch(config, i, 3)), LEARNING_RATE, false));
                follower.follow(i, state);
            }
            return results;
        }
    }

    private static Objective objective(ModelShard shard, PreferenceConfig config, Optional<ReferenceScores> reference) {
        return config.pairLoss()
                .<Objective>map(loss -> new PairObjective(shard, reference, loss, 3))
                .orElseGet(() -> new RatingObjective(shard, reference.orElseThrow(), config.ratingLoss(), 3));
    }

    private static Evaluation evaluate(Objective objective, PreferenceConfig config, Cut cut, Collectives world) {
        Evaluation evaluation = new Evaluation(objective);
        parts(heldOut(config), cut, world.rank()).forEach(evaluation::add);
        evaluation.finish(world);
        return evaluation;
    }

    /** Everything that a run sees. */
    static Stream<MicroBatch> batches(PreferenceConfig config) {
        return Stream.concat(
                IntStream.rangeClosed(1, STEPS).mapToObj(step -> ofStep(config, step)), Stream.of(heldOut(config)));
    }

    private static MicroBatch ofStep(PreferenceConfig config, int step) {
        return batch(config, step, step == 3 ? 1 : 2 + step % 5);
    }

    private static MicroBatch heldOut(PreferenceConfig config) {
        return batch(config, 99, 5);
    }

    /** Examples of two sequences each, both with the same prompt; the second example's answers are cut off. */
    static MicroBatch batch(PreferenceConfig config, long seed, int examples) {
        Random random = new Random(seed);
        int sequences = 2 * examples;
        long[] tokens = new long[sequences * WIDTH];
        long[] labels = new long[sequences * WIDTH];
        long[] lengths = new long[sequences];
        Arrays.fill(labels, MicroBatch.IGNORED);
        for (int i = 0; i < sequences; i++) {
            int prompt = i / 2 == 1 ? WIDTH : 1 + i / 2 % 3;
            lengths[i] = Math.min(WIDTH, prompt + 1 + random.nextInt(WIDTH - 4));
            for (int t = 0; t < lengths[i]; t++) {
                tokens[i * WIDTH + t] =
                        t < prompt ? (i / 2 + 7L * t) % TinyModel.VOCABULARY : random.nextInt(TinyModel.VOCABULARY);
                labels[i * WIDTH + t] = t < prompt ? MicroBatch.IGNORED : tokens[i * WIDTH + t];
            }
        }
        return MicroBatch.rightPadded(sequences, WIDTH, tokens, labels)
                .withLengths(lengths)
                .withRoles(IntStream.range(0, sequences)
                        .mapToObj(i -> role(config, i))
                        .toList())
                .withSamples(IntStream.range(0, sequences).mapToLong(i -> i / 2).toArray());
    }

    private static Role role(PreferenceConfig config, int sequence) {
        if (config.type().orElseThrow() != PreferenceConfig.Type.KTO) {
            return sequence % 2 == 0 ? Role.CHOSEN : Role.REJECTED;
        } else if (sequence % 2 == 1) {
            return Role.MISMATCHED;
        }
        return sequence % 6 == 0 ? Role.DESIRABLE : Role.UNDESIRABLE;
    }

    /** A rank's examples, in as many micro-batches as every rank has. */
    private static List<MicroBatch> parts(MicroBatch batch, Cut cut, int rank) {
        int examples = batch.sequences() / 2;
        int from = examples * rank / cut.worldSize();
        int count = examples * (rank + 1) / cut.worldSize() - from;
        int each = (MAX_EXAMPLES + cut.microBatches() - 1) / cut.microBatches();
        List<MicroBatch> parts = new ArrayList<>();
        for (int i = 0; i < cut.microBatches(); i++) {
            int first = 2 * (from + Math.min(count, i * each));
            int last = 2 * (from + Math.min(count, (i + 1) * each));
            parts.add(TinyModel.part(batch, first, last)
                    .withLengths(Arrays.copyOfRange(batch.lengths(), first, last))
                    .withRoles(batch.roles().subList(first, last)));
        }
        return parts;
    }
}
