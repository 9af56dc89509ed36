// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.CheckpointWeights;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.checkpoint.WeightsExport;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout.Slice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What N ranks have written, M ranks go on from, bit for bit. */
final class ReshardingTest {
    private static final int MOST_RANKS = 4;

    /** What is trained. */
    enum Kind {
        UNTIED,
        TIED,
        LORA,
        LEARNED_LOSS,
        HEAD_ALONE,
        OWN_MODEL;

        ParameterSource open(Path folder) {
            return switch (this) {
                case UNTIED -> TinyModel.folder(folder, false);
                case TIED -> TinyModel.folder(folder, true);
                case LORA -> TinyModel.folder(folder, false).adapted(LORA_CONFIG, 3);
                case LEARNED_LOSS ->
                    new LossSource(
                            TinyModel.folder(folder, false),
                            List.of(
                                    LearnableParameter.of("log-variance", FirstValue.constant(0.5)),
                                    LearnableParameter.of("mixture", FirstValue.normal(1), 3, 5, 7)),
                            9);
                case HEAD_ALONE ->
                    TinyModel.folder(folder, false)
                            .with(new Freezing(List.of(NamePattern.glob("model.**")), List.of()));
                case OWN_MODEL -> new AutogradSource(new ToyModel(), Freezing.NONE, 4);
            };
        }
    }

    private static final LoraConfig LORA_CONFIG = LoraConfig.allLinear(3, 4);

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "UNTIED,ADAMW,FP32",
        "UNTIED,LION,BF16",
        "TIED,ADAM,BF16",
        "TIED,SGD,FP16",
        "LORA,LION,FP16",
        "LORA,ADAMW,BF16",
        "LEARNED_LOSS,SGD,FP32",
        "LEARNED_LOSS,ADAMW,FP16",
        "HEAD_ALONE,ADAMW,BF16",
        "OWN_MODEL,ADAM,FP32"
    })
    void anyNumberOfRanksGoesOnFromAnyOther(Kind kind, Algorithm algorithm, Precision precision) {
        try (ParameterSource source = kind.open(directory)) {
            for (int n = 1; n <= MOST_RANKS; n++) {
                try (Ranks first = new Ranks(source, algorithm, precision, n)) {
                    first.load();
                    first.step(1, false);
                    first.step(2, true);
                    first.step(3, false);
                    List<StoredFile> stored = first.write(directory.resolve("first"), 3);
                    Map<String, float[]> written = first.everything();
                    first.step(4, false);
                    for (int m = 1; m <= MOST_RANKS; m++) {
                        try (Ranks other = new Ranks(source, algorithm, precision, m);
                                Ranks again = new Ranks(source, algorithm, precision, n)) {
                            other.restore(stored, 3);
                            same(other.everything(), written, "%d ranks from %d".formatted(m, n));
                            again.restore(other.write(directory.resolve("other"), 3), 3);
                            same(again.everything(), written, "%d ranks from %d and back".formatted(m, n));
                            again.step(4, false);
                            same(again.everything(), first.everything(), "the step after that");
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"UNTIED", "TIED", "LORA", "HEAD_ALONE", "OWN_MODEL"})
    void anExportDoesNotShowHowManyRanksThereWere(Kind kind) throws IOException {
        try (ParameterSource source = kind.open(directory)) {
            for (int n = 1; n <= MOST_RANKS; n++) {
                try (Ranks ranks = new Ranks(source, Algorithm.SGD, Precision.BF16, n)) {
                    ranks.load();
                    export(source, ranks.write(directory.resolve("checkpoint"), 0), directory.resolve("export-" + n));
                }
            }
        }
        try (Stream<Path> files = Files.list(directory.resolve("export-1"))) {
            assertThat(files.toList())
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(IntStream.rangeClosed(2, MOST_RANKS)
                                    .mapToObj(n ->
                                            directory.resolve("export-" + n).resolve(file.getFileName())))
                            .allSatisfy(other -> assertThat(other).hasSameBinaryContentAs(file)));
        }
    }

    private static void export(ParameterSource source, List<StoredFile> checkpoint, Path out) {
        try (CheckpointWeights weights = CheckpointWeights.open(checkpoint)) {
            if (source instanceof ModelFolder folder) {
                ModelExport.of(folder, weights, folder.folder()).write(out);
            } else {
                WeightsExport.write(source, weights, Precision.BF16, out);
            }
        }
    }

    @Test
    void ranksWriteIntoOneFolderAtTheSameTime() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(MOST_RANKS);
        try (ParameterSource source = Kind.UNTIED.open(directory);
                Ranks first = new Ranks(source, Algorithm.ADAMW, Precision.FP32, MOST_RANKS);
                Ranks second = new Ranks(source, Algorithm.ADAMW, Precision.FP32, 3)) {
            first.load();
            first.step(1, false);
            Path folder = Files.createDirectory(directory.resolve("checkpoint"));
            List<Callable<StoredFile>> writers = new ArrayList<>();
            for (int rank = 0; rank < MOST_RANKS; rank++) {
                int own = rank;
                writers.add(() -> first.write(folder, own, 1));
            }
            List<StoredFile> stored = new ArrayList<>();
            for (Future<StoredFile> written : threads.invokeAll(writers, 30, TimeUnit.SECONDS)) {
                stored.add(written.get());
            }
            second.restore(stored, 1);
            same(second.everything(), first.everything(), "written at the same time");
            try (var files = Files.list(folder)) {
                assertThat(files).hasSize(MOST_RANKS);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void countersThatDifferBetweenRanksAreRefusedAndNothingIsChanged() {
        try (ParameterSource source = Kind.TIED.open(directory);
                Ranks first = new Ranks(source, Algorithm.ADAMW, Precision.FP16, 3);
                Ranks second = new Ranks(source, Algorithm.ADAMW, Precision.FP16, 2)) {
            first.load();
            first.step(1, false);
            second.load();
            Map<String, float[]> before = second.everything();
            first.states.get(2).optimizer().counters().values().forEach(steps -> steps.fill_(Scalars.of(99)));
            List<StoredFile> stored = first.write(directory, 1);
            assertThatThrownBy(() -> second.restore(stored, 1))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContaining(
                            "rank-00002.safetensors: adam.steps: is not what it is in the first rank's file");
            same(second.everything(), before, "after the refusal");
        }
    }

    @Test
    void aParameterThatIsNamedLikeOtherStateIsRefusedBeforeAnythingIsTrained() {
        AutogradModel misnamed = new AutogradModel() {
            @Override
            public String contract() {
                return "batch:2:i64 -> logits:3:f";
            }

            @Override
            public List<LearnableParameter> parameters() {
                return List.of(
                        LearnableParameter.of("w", FirstValue.constant(1), 3),
                        LearnableParameter.of("adam.v.w", FirstValue.constant(1), 3));
            }

            @Override
            public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
                throw new AssertionError("nothing is computed");
            }
        };
        try (ParameterSource source = new AutogradSource(misnamed, Freezing.NONE, 1);
                Ranks ranks = new Ranks(source, Algorithm.ADAMW, Precision.FP32, 1)) {
            assertThatThrownBy(() -> CheckpointWriter.tensorBytes(ranks.states.get(0)))
                    .isInstanceOf(PipelineException.class)
                    .hasMessageContaining("adam.v.w")
                    .hasMessageContaining("rename the parameter");
        }
    }

    @Test
    void otherShapesAreRefusedByEveryRankWhateverItHolds() throws IOException {
        Path wide = Files.createDirectory(directory.resolve("wide"));
        try (ParameterSource source = Kind.UNTIED.open(directory);
                ParameterSource other = Kind.UNTIED.open(wide)) {
            Path config = wide.resolve("config.json");
            Files.writeString(config, Files.readString(config).replace("\"vocab_size\": 37", "\"vocab_size\": 41"));
            try (ParameterSource wider = ModelFolder.random(wide, 5);
                    Ranks first = new Ranks(source, Algorithm.SGD, Precision.FP32, 2);
                    Ranks second = new Ranks(wider, Algorithm.SGD, Precision.FP32, 3)) {
                List<StoredFile> stored = first.write(directory, 0);
                for (RankState state : second.states) {
                    assertThatThrownBy(() -> CheckpointReader.restore(stored, state))
                            .isInstanceOf(InvalidModelException.class)
                            .hasMessageContainingAll(
                                    "model.embed_tokens.weight: it was F32 [37, 24], now it is F32 [41, 24]",
                                    "lm_head.weight: it was F32 [37, 24], now it is F32 [41, 24]");
                }
            }
        }
    }

    /** The states of all ranks of a run, each of which holds its part of every buffer. */
    private static final class Ranks implements AutoCloseable {
        final List<RankState> states = new ArrayList<>();

        Ranks(ParameterSource source, Algorithm algorithm, Precision precision, int world) {
            for (int rank = 0; rank < world; rank++) {
                ModelShard shard = new ModelShard(
                        Parts.layout(source.units(), precision, rank, world), Parts.groups(rank, world), Device.CPU);
                states.add(new RankState(
                        source,
                        shard,
                        Optimizer.of(config(algorithm), shard.groups()),
                        LossScale.of(precision, Device.CPU)));
            }
        }

        void load() {
            states.forEach(state -> state.shard().load(state.source()));
        }

        /** One step with gradients that are a function of its number and the parameter's, whoever holds them. */
        void step(int number, boolean notFinite) {
            for (RankState state : states) {
                try (TensorScope scope = new TensorScope()) {
                    state.shard().beginStep(0);
                    state.shard().endBackward();
                    state.shard().groups().forEach(group -> drawGradients(group, number));
                    Tensor flag = HostTensors.zeros(ScalarType.Float, 1).fill_(Scalars.of(notFinite ? 1 : 0));
                    state.optimizer().step(1e-2, state.lossScale().scale(), flag);
                    state.shard().endStep();
                    state.lossScale().update(flag, HostTensors.zeros(ScalarType.Bool, 1));
                }
            }
        }

        private static void drawGradients(FlatGroup group, int number) {
            for (Slice slice : group.layout().slices()) {
                long seed = 31L * number + slice.segment().parameter().hashCode();
                Tensor whole = HostTensors.empty(
                                ScalarType.Float, slice.segment().elements())
                        .normal_(0, 1, new GeneratorOptional(torch.make_generator_cpu(seed)));
                group.gradients()
                        .narrow(0, slice.at(), slice.elements())
                        .copy_(whole.narrow(0, slice.from(), slice.elements()));
            }
        }

        List<StoredFile> write(Path folder, long step) {
            try {
                Files.createDirectories(folder);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            List<StoredFile> stored = new ArrayList<>();
            for (int rank = 0; rank < states.size(); rank++) {
                stored.add(write(folder, rank, step));
            }
            return stored;
        }

        StoredFile write(Path folder, int rank, long step) {
            Path file = folder.resolve("rank-%05d.safetensors".formatted(rank));
            return new StoredFile(
                    file, CheckpointWriter.write(file, states.get(rank), step).boxes());
        }

        void restore(List<StoredFile> stored, long step) {
            for (RankState state : states) {
                assertThat(CheckpointReader.restore(stored, state)).isEqualTo(step);
            }
        }

        /** All that there is by parameter and kind, put together from the ranks' parts. */
        Map<String, float[]> everything() {
            Map<String, float[]> all = new TreeMap<>();
            for (RankState state : states) {
                List<FlatGroup> trained = state.shard().groups();
                for (int i = 0; i < trained.size(); i++) {
                    put(all, "master", trained.get(i), trained.get(i).master());
                    int group = i;
                    state.optimizer()
                            .moments()
                            .forEach((kind, flat) -> put(all, kind, trained.get(group), flat.get(group)));
                }
                state.shard()
                        .units()
                        .forEach(unit -> unit.groups().forEach(group -> put(all, "values", group, asRead(group))));
                state.optimizer().counters().forEach((key, counter) -> all.put(key, read(counter)));
                state.lossScale().state().forEach((key, number) -> all.put(key, read(number)));
            }
            return all;
        }

        /** What forward and backward read of a group, which is rounded from the master weights where it is not held. */
        private static Tensor asRead(FlatGroup group) {
            return group.values()
                    .orElseGet(
                            () -> group.master().to(group.layout().precision().type()));
        }

        private static void put(Map<String, float[]> all, String kind, FlatGroup group, Tensor part) {
            float[] values = read(part);
            assertThat(values).hasSize((int) group.layout().held());
            for (Slice slice : group.layout().slices()) {
                float[] whole = all.computeIfAbsent(
                        kind + " of " + slice.segment().parameter(),
                        key -> new float[(int) slice.segment().elements()]);
                System.arraycopy(values, (int) slice.at(), whole, (int) slice.from(), (int) slice.elements());
            }
        }

        @Override
        public void close() {
            for (RankState state : states) {
                state.lossScale().close();
                state.optimizer().close();
                state.shard().close();
            }
        }
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

    private static void same(Map<String, float[]> actual, Map<String, float[]> expected, String when) {
        assertThat(actual.keySet()).as(when).isEqualTo(expected.keySet());
        expected.forEach((name, values) -> assertThat(Arrays.equals(actual.get(name), values))
                .as("%s: %s", when, name)
                .isTrue());
    }

    private static float[] read(Tensor tensor) {
        try (TensorScope scope = new TensorScope()) {
            Tensor floats = tensor.to(ScalarType.Float).contiguous();
            float[] values = new float[(int) floats.numel()];
            if (values.length > 0) {
                floats.<FloatBuffer>createBuffer().get(values);
            }
            return values;
        }
    }
}
