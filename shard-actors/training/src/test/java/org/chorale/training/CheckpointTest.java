// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URISyntaxException;
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
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A checkpoint holds what is trained, whole and to the bit, and nothing else. */
final class CheckpointTest {
    private static final String EVERYTHING = "";
    private static final String HEAD = "lm_head";

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"ADAMW,FP32", "ADAM,BF16", "SGD,FP16", "LION,FP16", "ADAMW,FP16", "ADAMW,BF16_TRUE"})
    void everyOptimizerGoesOnBitForBitInEveryPrecision(Algorithm algorithm, Precision precision) {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench first = new Bench(folder, config(algorithm), precision, EVERYTHING);
                Bench second = new Bench(folder, config(algorithm), precision, EVERYTHING)) {
            first.state.shard().load(folder);
            first.step(1, false);
            first.step(2, true);
            first.step(3, false);
            List<StoredFile> stored = written(first, 3);
            assertThat(CheckpointReader.restore(stored, second.state)).isEqualTo(3);
            same(second.everything(), first.everything());
            first.step(4, false);
            second.step(4, false);
            same(second.everything(), first.everything());
        }
    }

    @Test
    void whatIsFrozenIsLeftOutAndHadFromTheModelFolderAgain() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench first = new Bench(folder, config(Algorithm.ADAMW), Precision.BF16, HEAD);
                Bench second = new Bench(folder, config(Algorithm.ADAMW), Precision.BF16, HEAD)) {
            first.state.shard().load(folder);
            first.step(1, false);
            List<StoredFile> stored = written(first, 1);
            try (SafetensorsFile file = SafetensorsFile.open(file())) {
                assertThat(file.entries())
                        .extracting(TensorEntry::name)
                        .containsExactlyInAnyOrder(
                                "lm_head.weight", "adam.m.lm_head.weight", "adam.v.lm_head.weight", "adam.steps");
                assertThat(file.metadata().getOrDefault("frozen", "").split(" ", -1))
                        .hasSize(first.state.shard().parameters().size() - 1)
                        .contains("model.embed_tokens.weight")
                        .doesNotContain("lm_head.weight");
            }
            CheckpointReader.restore(stored, second.state);
            same(second.everything(), first.everything());
        }
    }

    /** The digest was taken when no checkpoint had more than one file. */
    @Test
    void theFileOfASingleRankIsByteForByteWhatItAlwaysWas() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench bench = new Bench(folder, config(Algorithm.ADAMW), Precision.FP16, "model");
                TensorScope scope = new TensorScope()) {
            bench.state.shard().groups().forEach(group -> count(group.master(), 0.25));
            bench.state.optimizer().moments().forEach((kind, flats) -> {
                double step = kind.equals("adam.m") ? 0.5 : 2;
                flats.forEach(flat -> count(flat, step));
            });
            assertThat(CheckpointWriter.write(file(), bench.state, 7).file().sha256())
                    .isEqualTo("96c4481768520b126b797c6cc4d2c0312ff6c0751e8040a273a267296e9de72b");
        }
    }

    @Test
    void anotherOptimizerOrPrecisionIsRefusedWithBothNames() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench writer = new Bench(folder, config(Algorithm.ADAMW), Precision.FP16, EVERYTHING);
                Bench reader = new Bench(folder, config(Algorithm.LION), Precision.BF16, EVERYTHING)) {
            List<StoredFile> stored = written(writer, 1);
            assertThatThrownBy(() -> CheckpointReader.restore(stored, reader.state))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessage(directory + """
                            : is a checkpoint of another run:
                              optimizer.type: it was written with adamw, now it is lion
                              precision: it was written with fp16, now it is bf16""");
        }
    }

    @Test
    void otherTrainedParametersAreRefusedByName() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                Bench head = new Bench(folder, config(Algorithm.SGD), Precision.FP32, HEAD);
                Bench norm = new Bench(folder, config(Algorithm.SGD), Precision.FP32, "model.norm")) {
            List<StoredFile> stored = written(head, 1);
            assertThatThrownBy(() -> CheckpointReader.restore(stored, norm.state))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContainingAll(
                            "lm_head.weight: it was trained then, and is not now",
                            "model.norm.weight: it is trained now, and was not then");
        }
    }

    @Test
    void anotherBaseIsNoticedWhereItsWeightsAreNeeded() throws Exception {
        Path other = Files.createDirectory(directory.resolve("other"));
        copyWithOtherNorm(goldenLlama(), other);
        try (ModelFolder folder = ModelFolder.pretrained(goldenLlama());
                ModelFolder changed = ModelFolder.pretrained(other);
                Bench head = new Bench(folder, config(Algorithm.SGD), Precision.FP32, HEAD);
                Bench headOverOther = new Bench(changed, config(Algorithm.SGD), Precision.FP32, HEAD);
                Bench all = new Bench(folder, config(Algorithm.SGD), Precision.FP32, EVERYTHING);
                Bench allOverOther = new Bench(changed, config(Algorithm.SGD), Precision.FP32, EVERYTHING)) {
            List<StoredFile> stored = written(head, 1);
            assertThatThrownBy(() -> CheckpointReader.restore(stored, headOverOther.state))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContainingAll("model.path", folder.fingerprint(), changed.fingerprint());
            List<StoredFile> whole = written(all, 1);
            assertThat(CheckpointReader.restore(whole, allOverOther.state)).isEqualTo(1);
        }
    }

    /** A shard with an optimizer and a loss scale, of which only the parameters with a prefix are trained. */
    private static final class Bench implements AutoCloseable {
        final RankState state;

        Bench(ModelFolder folder, OptimizerConfig config, Precision precision, String trained) {
            List<UnitLayout> layout = folder.units().stream()
                    .map(unit -> UnitLayout.whole(onlyTrained(unit, trained), precision))
                    .toList();
            ModelShard shard = new ModelShard(folder, layout);
            state = new RankState(
                    folder, shard, Optimizer.of(config, shard.groups()), LossScale.of(precision, Device.CPU));
        }

        /** One step with gradients that are a function of its number. */
        void step(int number, boolean notFinite) {
            try (TensorScope scope = new TensorScope()) {
                Generator generator = torch.make_generator_cpu(number);
                state.shard().parameters().values().stream() // padding stays zero
                        .map(Parameter::gradient)
                        .filter(Objects::nonNull)
                        .forEach(gradient -> gradient.normal_(0, 1, new GeneratorOptional(generator)));
                Tensor flag = HostTensors.zeros(ScalarType.Float, 1).fill_(Scalars.of(notFinite ? 1 : 0));
                state.optimizer().step(1e-2, state.lossScale().scale(), flag);
                state.lossScale().update(flag, HostTensors.zeros(ScalarType.Bool, 1));
            }
        }

        Map<String, float[]> everything() {
            try (TensorScope scope = new TensorScope()) {
                Map<String, float[]> all = new LinkedHashMap<>();
                state.shard()
                        .units()
                        .forEach(unit -> unit.groups().forEach(group -> {
                            group.values()
                                    .ifPresent(values -> all.put(
                                            "values of " + group.parameters().keySet(), read(values)));
                            if (group.trainable()) {
                                all.put("masters of " + group.parameters().keySet(), read(group.master()));
                            }
                        }));
                List<Tensor> rest = new ArrayList<>();
                state.optimizer().moments().values().forEach(rest::addAll);
                rest.addAll(state.optimizer().counters().values());
                rest.addAll(state.lossScale().state().values());
                rest.forEach(tensor -> all.put("state " + all.size(), read(tensor)));
                return all;
            }
        }

        @Override
        public void close() {
            state.lossScale().close();
            state.optimizer().close();
            state.shard().close();
        }
    }

    private static UnitOutline onlyTrained(UnitOutline unit, String prefix) {
        return new UnitOutline(
                unit.name(),
                unit.parameters().stream()
                        .map(parameter -> parameter.name().startsWith(prefix) ? parameter : parameter.frozen())
                        .toList());
    }

    private static OptimizerConfig config(Algorithm algorithm) {
        return new OptimizerConfig(
                algorithm,
                1e-2,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                algorithm == Algorithm.SGD ? Optional.of(0.9) : Optional.empty(),
                Optional.empty(),
                0.1,
                1,
                Optional.empty(),
                List.of());
    }

    private static void count(Tensor flat, double step) {
        flat.copy_(torch.arange(new Scalar(flat.numel())).mul(Scalars.of(step)));
    }

    private static void same(Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, values) ->
                assertThat(Arrays.equals(actual.get(name), values)).as(name).isTrue());
    }

    private static float[] read(Tensor tensor) {
        Tensor floats = tensor.to(ScalarType.Float).contiguous();
        float[] values = new float[(int) floats.numel()];
        floats.<FloatBuffer>createBuffer().get(values);
        return values;
    }

    /** The same header, byte for byte, over weights that are not the same. */
    private static void copyWithOtherNorm(Path from, Path to) throws Exception {
        Files.copy(from.resolve("config.json"), to.resolve("config.json"));
        try (SafetensorsFile weights = SafetensorsFile.open(from.resolve("model.safetensors"));
                TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            weights.entries().forEach(entry -> tensors.put(entry.name(), weights.tensor(entry.name())));
            tensors.computeIfPresent("model.norm.weight", (name, norm) -> norm.add(Scalars.of(1)));
            SafetensorsWriter.write(to.resolve("model.safetensors"), tensors);
        }
    }

    private List<StoredFile> written(Bench bench, long step) {
        return List.of(new StoredFile(
                file(), CheckpointWriter.write(file(), bench.state, step).boxes()));
    }

    private Path file() {
        return directory.resolve("rank-00000.safetensors");
    }

    private static Path goldenLlama() throws URISyntaxException {
        return Path.of(CheckpointTest.class.getResource("/goldens/llama").toURI());
    }
}
