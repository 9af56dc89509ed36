// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch.Packing;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.CheckpointWeights;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.ModelShard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a step promises besides the reference's numbers. */
final class TrainStepTest {
    private static final double NO_CLIP = Double.POSITIVE_INFINITY;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void unevenMicroBatchesEqualOneLargeBatch(boolean tied) {
        try (ModelFolder folder = TinyModel.folder(directory, tied);
                Bench whole = new Bench(folder, RecomputePlan.NONE, NO_CLIP);
                Bench split = new Bench(folder, RecomputePlan.NONE, NO_CLIP)) {
            MicroBatch batch = TinyModel.batch(1, 7, 11);
            StepResult one = whole.step.run(List.of(batch), 1e-3);
            StepResult three = split.step.run(
                    List.of(TinyModel.part(batch, 0, 1), TinyModel.part(batch, 1, 5), TinyModel.part(batch, 5, 7)),
                    1e-3);
            assertThat(three.trainedTokens()).isEqualTo(one.trainedTokens());
            assertThat(three.lossNats()).isCloseTo(one.lossNats(), within(1e-5));
            assertThat(three.gradNorm()).isCloseTo(one.gradNorm(), within(2e-5 * one.gradNorm()));
            agree(gradients(split.shard), gradients(whole.shard), 2e-5);
        }
    }

    @Test
    void aMaskThatHidesRightPaddingChangesNothing() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench plain = new Bench(folder, RecomputePlan.NONE, NO_CLIP);
                Bench masked = new Bench(folder, RecomputePlan.NONE, NO_CLIP)) {
            MicroBatch batch = TinyModel.batch(2, 5, 9);
            long[] mask = new long[batch.tokens().length];
            for (int row = 0; row < mask.length; row++) {
                int start = row - row % batch.width();
                mask[row] = Arrays.stream(batch.labels(), row, start + batch.width())
                                .anyMatch(l -> l >= 0)
                        ? 1
                        : 0;
            }
            StepResult without = plain.step.run(List.of(batch), 1e-3);
            StepResult with = masked.step.run(
                    List.of(new MicroBatch(
                            batch.sequences(), batch.width(), batch.tokens(), batch.labels(), mask, null)),
                    1e-3);
            assertThat(with.lossNats()).isCloseTo(without.lossNats(), within(1e-6));
            agree(gradients(masked.shard), gradients(plain.shard), 2e-5);
        }
    }

    @Test
    void aPackedBatchTrainsAsItsDocumentsOneByOne() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench packed = new Bench(folder, RecomputePlan.NONE, NO_CLIP);
                Bench apart = new Bench(folder, RecomputePlan.NONE, NO_CLIP)) {
            long[] tokens = {5, 6, 7, 8, 9, 1, 2, 0};
            long[] labels = {MicroBatch.IGNORED, 6, 7, MicroBatch.IGNORED, 9, 1, 2, MicroBatch.IGNORED};
            Packing packing = new Packing(new long[] {0, 1, 2, 0, 1, 2, 3, 0}, new long[] {0, 0, 0, 1, 1, 1, 1, -1});
            StepResult together = packed.step.run(List.of(new MicroBatch(1, 8, tokens, labels, null, packing)), 1e-3);
            StepResult alone = apart.step.run(
                    List.of(
                            MicroBatch.rightPadded(1, 3, Arrays.copyOf(tokens, 3), Arrays.copyOf(labels, 3)),
                            MicroBatch.rightPadded(
                                    1, 4, Arrays.copyOfRange(tokens, 3, 7), Arrays.copyOfRange(labels, 3, 7))),
                    1e-3);
            assertThat(together.trainedTokens())
                    .isEqualTo(alone.trainedTokens())
                    .isEqualTo(5);
            assertThat(together.lossNats()).isCloseTo(alone.lossNats(), within(1e-6));
            agree(gradients(packed.shard), gradients(apart.shard), 2e-5);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0.1, 0", "0.1, 1e-2"})
    void theFusedLossTrainsAsTheSameLossInAPipeline(double smoothing, double zLoss) {
        CrossEntropySettings settings = new CrossEntropySettings(smoothing, zLoss);
        try (ModelFolder folder = TinyModel.folder(directory, true);
                Bench fused = new Bench(folder, RecomputePlan.NONE, NO_CLIP);
                Bench piped = new Bench(folder, RecomputePlan.every(Recompute.FULL), NO_CLIP)) {
            MicroBatch batch = TinyModel.batch(8, 5, 9);
            Stages stages = new Stages(
                    List.of(), "Llama", "", List.of(), new CrossEntropyLoss().with(settings), ContractMode.CHECK);
            StepResult expected = fused.with(new LanguageModelObjective(fused.shard, settings, 1))
                    .run(1, List.of(batch), 1e-3, false);
            StepResult actual = piped.with(new PipelineObjective(
                            new DecoderPipelineModel(piped.shard.model()), stages, piped.shard.view(), 1))
                    .run(1, List.of(TinyModel.part(batch, 0, 2), TinyModel.part(batch, 2, 5)), 1e-3, false);
            assertThat(actual.lossNats()).isCloseTo(expected.lossNats(), within(1e-5));
            assertThat(actual.trainedTokens()).isEqualTo(expected.trainedTokens());
            agree(gradients(piped.shard), gradients(fused.shard), 2e-5);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "0, 2", "1, 1", "1, 2", "2, 2"})
    void recomputingBlocksChangesNoBit(int fullUntil, int selectiveUntil) {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench kept = new Bench(folder, RecomputePlan.NONE, 1);
                Bench recomputed = new Bench(folder, new RecomputePlan(fullUntil, selectiveUntil), 1)) {
            for (int i = 0; i < 3; i++) {
                MicroBatch batch = TinyModel.batch(i, 4, 8);
                assertThat(recomputed.step.run(List.of(batch), 1e-2)).isEqualTo(kept.step.run(List.of(batch), 1e-2));
            }
            same(weights(recomputed.shard), weights(kept.shard));
        }
    }

    @Test
    void aStepThatIsNotFiniteTouchesNothing() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench bench = new Bench(folder, RecomputePlan.NONE, 1)) {
            MicroBatch batch = TinyModel.batch(3, 4, 8);
            assertThat(bench.step.run(List.of(batch), 1e-2).skipped()).isFalse();
            Tensor norm = bench.shard.parameter("model.norm.weight").value();
            float before = read(norm)[0];
            set(norm, Float.POSITIVE_INFINITY);
            Map<String, float[]> weights = weights(bench.shard);
            List<float[]> moments = bench.moments();

            StepResult result = bench.step.run(List.of(batch), 1e-2);

            assertThat(result.skipped()).isTrue();
            assertThat(result.lossNats()).isNaN();
            same(weights(bench.shard), weights);
            assertThat(bench.moments()).usingRecursiveComparison().isEqualTo(moments);
            assertThat(read(Objects.requireNonNull(bench.optimizer.counters().get("adam.steps")))[0])
                    .as("steps that count")
                    .isEqualTo(1);
            set(norm, before);
            assertThat(bench.step.run(List.of(batch), 1e-2).skipped())
                    .as("the next step goes on")
                    .isFalse();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStepReadsNothingOfTheGradientsBeforeIt(boolean tied) {
        try (ModelFolder folder = TinyModel.folder(directory, tied);
                Bench clean = new Bench(folder, RecomputePlan.NONE, 1);
                Bench dirty = new Bench(folder, RecomputePlan.NONE, 1)) {
            dirty.shard.parameters().values().forEach(parameter -> {
                try (TensorScope scope = new TensorScope()) {
                    Objects.requireNonNull(parameter.gradient()).fill_(Scalars.of(Double.NaN));
                }
            });
            MicroBatch batch = TinyModel.batch(6, 5, 8);
            List<MicroBatch> halves = List.of(TinyModel.part(batch, 0, 2), TinyModel.part(batch, 2, 5));
            assertThat(dirty.step.run(halves, 1e-2)).isEqualTo(clean.step.run(halves, 1e-2));
            same(gradients(dirty.shard), gradients(clean.shard));
            same(weights(dirty.shard), weights(clean.shard));
        }
    }

    @Test
    void aBatchWithoutLabelsMovesNothingAndIsNoFault() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench bench = new Bench(folder, RecomputePlan.NONE, 1)) {
            Map<String, float[]> before = weights(bench.shard);
            long[] labels = new long[12];
            Arrays.fill(labels, MicroBatch.IGNORED);
            StepResult result = bench.step.run(List.of(MicroBatch.rightPadded(3, 4, new long[12], labels)), 1e-2);
            assertThat(result.skipped()).isFalse();
            assertThat(result.trainedTokens()).isZero();
            assertThat(result.lossNats()).isNaN();
            same(weights(bench.shard), before);
        }
    }

    @Test
    void gradientsAreClippedByTheirGlobalNorm() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench free = new Bench(folder, RecomputePlan.NONE, NO_CLIP);
                Bench clipped = new Bench(folder, RecomputePlan.NONE, 0.25)) {
            MicroBatch batch = TinyModel.batch(4, 4, 8);
            double norm = free.step.run(List.of(batch), 0).gradNorm();
            assertThat(norm).isGreaterThan(0.25);
            assertThat(clipped.step.run(List.of(batch), 0).gradNorm()).isEqualTo(norm);
            Map<String, float[]> scaled = gradients(free.shard);
            scaled.values().forEach(values -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] *= (float) (0.25 / norm);
                }
            });
            agree(gradients(clipped.shard), scaled, 2e-5);
        }
    }

    @Test
    void aRestoredCheckpointGoesOnBitForBit() {
        Path file = directory.resolve("rank-00000.safetensors");
        try (ModelFolder folder = TinyModel.folder(directory, true);
                Bench first = new Bench(folder, RecomputePlan.NONE, 1);
                Bench second = new Bench(folder, RecomputePlan.NONE, 1)) {
            for (int i = 0; i < 3; i++) {
                first.step.run(List.of(TinyModel.batch(i, 4, 8)), 1e-2);
            }
            assertThat(CheckpointReader.restore(written(file, first, 3), second.state))
                    .isEqualTo(3);
            for (int i = 3; i < 6; i++) {
                MicroBatch batch = TinyModel.batch(i, 4, 8);
                assertThat(second.step.run(List.of(batch), 1e-2)).isEqualTo(first.step.run(List.of(batch), 1e-2));
            }
            same(weights(second.shard), weights(first.shard));
            assertThat(second.moments()).usingRecursiveComparison().isEqualTo(first.moments());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anExportIsAModelFolderWithTheSameWeights(boolean tied) throws Exception {
        Files.writeString(directory.resolve("tokenizer.json"), "{}");
        Path out = directory.resolve("export");
        Path checkpoint = directory.resolve("rank-00000.safetensors");
        try (ModelFolder folder = TinyModel.folder(directory, tied);
                Bench bench = new Bench(folder, RecomputePlan.NONE, 1)) {
            bench.step.run(List.of(TinyModel.batch(0, 4, 8)), 1e-2);
            try (CheckpointWeights stored = CheckpointWeights.open(written(checkpoint, bench, 1))) {
                ModelExport.of(folder, stored, directory.resolve("tokenizer.json"))
                        .writeModel(Optional.empty(), out);
            }
            try (ModelFolder exported = ModelFolder.pretrained(out);
                    ModelShard loaded = ModelShard.whole(exported, Device.CPU)) {
                same(weights(loaded), weights(bench.shard));
            }
        }
        assertThat(out.resolve("tokenizer.json")).exists();
        assertThat(out.resolve("config.json")).content().contains("\"dtype\" : \"float32\"");
    }

    private static List<StoredFile> written(Path file, Bench bench, long step) {
        return List.of(new StoredFile(
                file, CheckpointWriter.write(file, bench.state, step).boxes()));
    }

    @Test
    void aTinyModelLearnsItsBatchByHeart() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench bench = new Bench(folder, RecomputePlan.NONE, 1)) {
            MicroBatch batch = TinyModel.batch(6, 6, 10);
            Evaluation before = evaluate(bench.shard, batch);
            for (int i = 0; i < 150; i++) {
                bench.step.run(List.of(batch), 1e-2);
            }
            Evaluation after = evaluate(bench.shard, batch);
            assertThat(before.judged()).isEqualTo(after.judged()).isPositive();
            assertThat(before.exact()).isZero();
            assertThat(after.exact()).isEqualTo(after.judged());
            assertThat(after.lossNats()).isLessThan(0.1);
        }
    }

    private static Evaluation evaluate(ModelShard shard, MicroBatch batch) {
        Evaluation evaluation = new Evaluation(shard);
        evaluation.add(batch);
        return evaluation;
    }

    /** A model, its optimizer and its step, closed together. */
    private static final class Bench implements AutoCloseable {
        final ModelShard shard;
        final AdamW optimizer;
        final LossScale lossScale = LossScale.none();
        final RankState state;
        final TrainStep step;

        Bench(ModelFolder folder, RecomputePlan recompute, double clipNorm) {
            shard = TinyModel.shard(folder);
            shard.model().recompute(recompute);
            optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
            state = new RankState(folder, shard, optimizer, lossScale);
            step = new TrainStep(shard, optimizer, clipNorm);
        }

        TrainStep with(Objective objective) {
            return new TrainStep(shard, optimizer, NO_CLIP, objective, null);
        }

        List<float[]> moments() {
            List<float[]> moments = new ArrayList<>();
            optimizer.moments().values().forEach(kind -> kind.forEach(tensor -> moments.add(read(tensor))));
            return moments;
        }

        @Override
        public void close() {
            lossScale.close();
            optimizer.close();
            shard.close();
        }
    }

    private static Map<String, float[]> weights(ModelShard shard) {
        Map<String, float[]> values = new LinkedHashMap<>();
        shard.parameters().forEach((name, parameter) -> values.put(name, read(parameter.value())));
        return values;
    }

    private static Map<String, float[]> gradients(ModelShard shard) {
        Map<String, float[]> values = new LinkedHashMap<>();
        shard.parameters()
                .forEach((name, parameter) -> values.put(name, read(Objects.requireNonNull(parameter.gradient()))));
        return values;
    }

    private static float[] read(Tensor tensor) {
        try (TensorScope scope = new TensorScope()) {
            float[] values = new float[(int) tensor.numel()];
            tensor.contiguous().<FloatBuffer>createBuffer().get(values);
            return values;
        }
    }

    private static void set(Tensor tensor, float value) {
        try (TensorScope scope = new TensorScope()) {
            tensor.narrow(0, 0, 1).fill_(Scalars.of(value));
        }
    }

    private static void same(Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).isEqualTo(values));
    }

    /** Within {@code tolerance} of each tensor's largest magnitude. */
    private static void agree(Map<String, float[]> actual, Map<String, float[]> expected, double tolerance) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        // A key's bias shifts all scores of a query alike where rotation does not tell keys apart: its gradient is
        // noise.
        double floor = 1e-7;
        expected.forEach((name, values) -> {
            double magnitude = 0;
            for (float value : values) {
                magnitude = Math.max(magnitude, Math.abs(value));
            }
            float[] found = Objects.requireNonNull(actual.get(name));
            for (int i = 0; i < values.length; i++) {
                assertThat((double) found[i])
                        .as(name + "[" + i + "]")
                        .isCloseTo(values[i], within(tolerance * magnitude + floor));
            }
        });
    }
}
