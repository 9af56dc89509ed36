// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.model.layer.Recompute;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.tensor.device.Device;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.checkpoint.CheckpointReader;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranks that give each other weights in FP8 compute what they compute of weights that they gather in bf16. */
final class Fp8GatherTest {
    /** Never reached: gradients stay as they are. */
    private static final double NO_CLIPPING = 1e9;

    private static final String LLAMA = """
            {"model_type": "llama", "vocab_size": 37, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "attention_bias": true, "initializer_range": 0.1, "tie_word_embeddings": %s}
            """;

    private static final String MIXTURE = """
            {"model_type": "mixtral", "vocab_size": 37, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "num_local_experts": 4, "num_experts_per_tok": 2, "initializer_range": 0.3}
            """;

    /** Whose keys' weight is smaller than what four ranks hold at least. */
    private static final String NARROW = """
            {"model_type": "llama", "vocab_size": 37, "hidden_size": 16, "intermediate_size": 32,
             "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
             "initializer_range": 0.1}
            """;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "2, FULL_SHARD, 1, NONE, BF16, false",
        "2, FULL_SHARD, 2, FULL, BF16, true",
        "3, FULL_SHARD, 2, SELECTIVE, BF16_TRUE, false",
        "3, KEEP_GATHERED, 2, FULL, BF16, true",
        "3, KEEP_GATHERED, 1, NONE, BF16_TRUE, true",
        "4, HYBRID, 2, FULL, BF16, false"
    })
    void everyBitIsThatOfAGatherInBf16(
            int worldSize, Mode mode, int microBatches, Recompute recompute, Precision precision, boolean tied)
            throws IOException {
        Setup setup = new Setup(worldSize, mode, true, microBatches, recompute, precision, NO_CLIPPING);
        assertSameBits(LLAMA.formatted(tied), List.of(), setup, model -> model);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.1})
    void adaptersOverAFrozenBaseChangeNothingOfThat(double dropout) throws IOException {
        LoraConfig lora = new LoraConfig(
                3,
                6,
                dropout,
                ModuleSelection.suffixes(List.of("q_proj", "v_proj", "down_proj")),
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                List.of(),
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
        Setup setup = new Setup(3, Mode.FULL_SHARD, true, 2, Recompute.FULL, Precision.BF16, NO_CLIPPING);
        assertSameBits(LLAMA.formatted(false), List.of(), setup, model -> model.adapted(lora, 4));
    }

    @Test
    void norDoExpertsAndLinearsThatAreLeftOut() throws IOException {
        Setup setup = new Setup(3, Mode.FULL_SHARD, true, 1, Recompute.NONE, Precision.BF16, NO_CLIPPING);
        assertSameBits(MIXTURE, List.of("o_proj", "layers.0.block_sparse_moe.experts.1.w2"), setup, model -> model);
    }

    @Test
    void aRankThatHoldsNoneOfTheWeightsJoinsIn() throws IOException {
        List<String> allButOne = List.of("q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");
        Setup setup = new Setup(4, Mode.FULL_SHARD, true, 1, Recompute.NONE, Precision.BF16, NO_CLIPPING);
        assertSameBits(NARROW, allButOne, setup, model -> model);
    }

    @Test
    void partlyFrozenWeightsThatAreReadTogetherAreScaledAsTheyAreRead() throws IOException {
        Freezing freezing = new Freezing(List.of(NamePattern.glob("**.k_proj.weight")), List.of());
        Setup setup = new Setup(2, Mode.FULL_SHARD, true, 1, Recompute.FULL, Precision.BF16, NO_CLIPPING);
        assertSameBits(LLAMA.formatted(false), List.of(), setup, model -> model.with(freezing));
    }

    @Test
    void scalesAreThoseOfTheCheckpointThatARunGoesBackTo() throws IOException {
        List<StoredFile> stored = trained(3, false);
        double expected = resumed(2, false, stored);
        assertThat(resumed(2, true, stored)).isEqualTo(expected);
        assertThat(resumed(2, true, trained(3, true))).isEqualTo(expected);
    }

    @Test
    void wholeBlocksTakeHalfTheBytes() throws IOException {
        long weights = 32 * (32 + 16 + 16 + 32 + 3 * 48); // of the linears of a block
        long padding = 8 * 2 * 128; // two ranks, up to four bytes, in buffers that are apart
        Buffers bf16 = buffers(false);
        Buffers fp8 = buffers(true);
        assertThat(bf16.forecast - fp8.forecast)
                .as("one block is open when gradients take the most")
                .isCloseTo(weights, within(padding));
        assertThat(bf16.peak - fp8.peak).isGreaterThan(weights - padding);
    }

    @Test
    void whatIsThereAlwaysIsNotGatheredInFp8() throws IOException {
        Setup setup = new Setup(2, Mode.OPTIMIZER_ONLY, true, 1, Recompute.NONE, Precision.BF16, NO_CLIPPING);
        try (ModelFolder folder = folder(LLAMA.formatted(false), true)) {
            assertThatThrownBy(() -> RankRun.of(folder, setup))
                    .hasRootCauseInstanceOf(IllegalArgumentException.class)
                    .rootCause()
                    .hasMessageContaining("model.layers.0: values that are there always");
        }
    }

    @Test
    void nothingIsLeftBehind() throws IOException {
        long before = NativeMemory.liveReferences();
        trained(2, true);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    /** Bytes that came and went in a step. */
    private record Buffers(long forecast, long peak) {}

    private Buffers buffers(boolean gather) throws IOException {
        List<Buffers> found = new CopyOnWriteArrayList<>();
        try (ModelFolder folder = folder(LLAMA.formatted(false), gather)) {
            onRanks(folder, 2, state -> {
                step(state, 1);
                found.add(new Buffers(
                        state.shard().forecast(false).mostBytes(), state.shard().peakBufferBytes()));
            });
        }
        assertThat(found)
                .hasSize(2)
                .allSatisfy(
                        rank -> assertThat((double) rank.peak).isBetween(0.8 * rank.forecast, (double) rank.forecast));
        return found.get(0);
    }

    /** What ranks write after some steps. */
    private List<StoredFile> trained(int worldSize, boolean gather) throws IOException {
        Map<Integer, StoredFile> stored = new ConcurrentSkipListMap<>();
        try (ModelFolder folder = folder(LLAMA.formatted(false), gather)) {
            onRanks(folder, worldSize, state -> {
                step(state, 1);
                step(state, 2);
                int rank = state.shard().ranks().world().rank();
                Path file = directory.resolve("rank-%05d.safetensors".formatted(rank));
                stored.put(
                        rank,
                        new StoredFile(
                                file, CheckpointWriter.write(file, state, 2).boxes()));
            });
        }
        return List.copyOf(stored.values());
    }

    /** The loss of the step that follows, after one of another run. */
    private double resumed(int worldSize, boolean gather, List<StoredFile> stored) throws IOException {
        Set<Double> losses = ConcurrentHashMap.newKeySet();
        try (ModelFolder folder = folder(LLAMA.formatted(false), gather)) {
            onRanks(folder, worldSize, state -> {
                step(state, 7);
                CheckpointReader.restore(stored, state);
                losses.add(step(state, 3));
            });
        }
        assertThat(losses).hasSize(1);
        return losses.iterator().next();
    }

    private static double step(RankState state, int number) {
        Collectives world = state.shard().ranks().world();
        TrainStep step = new TrainStep(state.shard(), state.optimizer(), NO_CLIPPING);
        return step.run(RankRun.part(RankRun.globalBatch(number), world.rank(), world.worldSize(), 1), 1e-2)
                .lossNats();
    }

    private static void onRanks(ModelFolder folder, int worldSize, Consumer<RankState> work) {
        RankThreads.run(worldSize, world -> {
            try (RankGroups ranks = Mode.FULL_SHARD.groups(world, true);
                    ModelShard shard = RankShards.load(folder, Precision.BF16, ranks);
                    Optimizer optimizer = Optimizer.of(TinyModel.OPTIMIZER, shard.groups());
                    LossScale scale = LossScale.of(Precision.BF16, Device.CPU)) {
                work.accept(new RankState(folder, shard, optimizer, scale));
            }
        });
    }

    private ModelFolder folder(String config, boolean gather) throws IOException {
        Files.writeString(directory.resolve("config.json"), config);
        return ModelFolder.random(directory, 5).with(new Fp8Rule(Fp8Scaling.TENSOR, List.of(), List.of(), gather));
    }

    private void assertSameBits(String config, List<String> excluded, Setup setup, UnaryOperator<ModelFolder> change)
            throws IOException {
        RankRun bf16 = run(config, new Fp8Rule(Fp8Scaling.TENSOR, excluded, List.of(), false), setup, change);
        RankRun fp8 = run(config, new Fp8Rule(Fp8Scaling.TENSOR, excluded, List.of(), true), setup, change);
        for (int step = 0; step < RankRun.STEPS; step++) {
            assertThat(fp8.results().get(step).lossNats())
                    .as("loss of step %d", step)
                    .isEqualTo(bf16.results().get(step).lossNats());
        }
        assertThat(fp8.gradients().keySet()).isEqualTo(bf16.gradients().keySet());
        bf16.gradients()
                .forEach((name, values) ->
                        assertThat(fp8.gradients().get(name)).as(name).isEqualTo(values));
        bf16.weights()
                .forEach((name, values) ->
                        assertThat(fp8.weights().get(name)).as(name).isEqualTo(values));
    }

    private RankRun run(String config, Fp8Rule rule, Setup setup, UnaryOperator<ModelFolder> change)
            throws IOException {
        Files.writeString(directory.resolve("config.json"), config);
        try (ModelFolder folder = change.apply(ModelFolder.random(directory, 5)).with(rule)) {
            return RankRun.of(folder, setup);
        }
    }
}
