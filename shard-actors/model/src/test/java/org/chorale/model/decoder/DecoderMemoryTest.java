// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.decoder.DecoderMemory.Beside;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The formula of a decoder's memory against its tapes, and what is chosen by it. */
final class DecoderMemoryTest {
    private static final int TOKENS = 6;
    private static final int ROWS = 2 * TOKENS;

    /** 32 blocks of an 8B model, of which 40 GiB hold those of 4 × 2,048 tokens in bf16. */
    private static final String LARGE = """
            {"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
             "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 2048}
            """;

    /** Two blocks like those of Gemma 2 2B. */
    private static final String GEMMA = """
            {"model_type": "gemma2", "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
             "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
             "max_position_embeddings": 8192, "sliding_window": 4096, "query_pre_attn_scalar": 256,
             "final_logit_softcapping": 30.0, "attn_logit_softcapping": %s}
            """;

    private static final long LARGE_ROWS = 4 * 2048;
    private static final long LOSS_BYTES = 1L << 30;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"Float, false", "Float, true", "BFloat16, false", "BFloat16, true", "Double, false"})
    void whatAForwardKeepsIsWhatTheFormulaSays(ScalarType type, boolean frozenBelow) {
        try (TensorScope scope = new TensorScope();
                ModelFolder whole = TinyLlama.folder(directory);
                ModelFolder upper = TinyLlama.folder(directory)
                        .with(new Freezing(
                                List.of(
                                        NamePattern.glob("model.embed_tokens.*"),
                                        NamePattern.glob("model.layers.0.**")),
                                List.of()))) {
            TinyLlama llama = TinyLlama.load(frozenBelow ? upper : whole, type);
            assertFormula(llama);
        }
    }

    @ParameterizedTest
    @CsvSource({"Float, 0, false", "BFloat16, 0, false", "Float, 0.1, false", "BFloat16, 0, true", "Float, 0.1, true"})
    void whatAdaptersSaveIsInTheFormula(ScalarType type, double dropout, boolean dora) {
        LoraConfig lora = new LoraConfig(
                3,
                6,
                dropout,
                ModuleSelection.suffixes(List.of("q_proj", "o_proj", "up_proj", "down_proj")),
                ModuleSelection.NOTHING,
                Map.of("layers.1.*.q_proj", 5),
                Map.of(),
                false,
                dora,
                List.of(),
                List.of(),
                List.of(),
                LoraConfig.Initialize.UNIFORM,
                Optional.empty());
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory).adapted(lora, 1)) {
            assertFormula(TinyLlama.load(folder, type));
        }
    }

    @ParameterizedTest
    @CsvSource({"Float, 0", "BFloat16, 0", "Float, 3", "BFloat16, 3"})
    void whatAMixtureKeepsIsInTheFormula(ScalarType type, int rank) {
        String mixtral = """
                {"model_type": "mixtral", "vocab_size": 29, "hidden_size": 24, "intermediate_size": 40,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 5}
                """;
        try (TensorScope scope = new TensorScope();
                ModelFolder whole = TinyLlama.folder(directory, mixtral);
                ModelFolder folder = rank == 0 ? whole : whole.adapted(LoraConfig.allLinear(rank, 6), 1)) {
            assertFormula(TinyLlama.load(folder, type));
        }
    }

    private static void assertFormula(TinyLlama llama) {
        Tensor tokens = torch.randint(0, 29, new long[] {ROWS}).to(ScalarType.Long);
        DropoutKeys keys = DropoutKeys.of(1, 2, new long[] {3, 4}, TOKENS);
        for (RecomputePlan plan : everyPlan(2)) {
            try (Decoder model = llama.model(Recompute.NONE)) {
                model.recompute(plan);
                long expected = model.memory().keptBytes(plan, ROWS);
                assertThat(keptBytes(
                                model, tokens, model.context(2, TOKENS, null).withDropout(keys)))
                        .as("%s", plan)
                        .isEqualTo(expected);
                assertThat(keptBytes(model, tokens, packed(model)))
                        .as("packed, %s", plan)
                        .isEqualTo(expected);
            }
        }
    }

    private static SequenceContext packed(Decoder model) {
        long[] positions = {0, 1, 0, 1, 2, 0, 0, 1, 2, 3, 4, 5};
        long[] documents = {0, 0, 1, 1, 1, -1, 0, 0, 0, 0, 0, 0};
        return model.packedContext(2, TOKENS, positions, documents);
    }

    private static long keptBytes(Decoder model, Tensor tokens, SequenceContext context) {
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape()) {
            Tensor hidden = model.forward(tokens, context, tape);
            long bytes = tape.bytes();
            model.backward(torch.zeros_like(hidden), context, tape);
            assertThat(tape.bytes()).as("left on the tape").isZero();
            return bytes;
        }
    }

    @Test
    void aLargeModelKeepsWhatWasComputedByHand() {
        DecoderMemory memory = large();
        long beside = LARGE_ROWS * (8 + 2 * 4096 + 4);
        assertThat(memory.keptBytes(RecomputePlan.NONE, LARGE_ROWS)).isEqualTo(beside + LARGE_ROWS * 32 * 110_728);
        assertThat(memory.keptBytes(RecomputePlan.every(Recompute.SELECTIVE), LARGE_ROWS))
                .isEqualTo(beside + LARGE_ROWS * 32 * 16_512);
        assertThat(memory.keptBytes(RecomputePlan.every(Recompute.FULL), LARGE_ROWS))
                .isEqualTo(beside + LARGE_ROWS * 32 * 8_192);
    }

    @Test
    void whereOnlyTheLowerBlocksRecomputeThePeakHasNoRoomForIt() {
        DecoderMemory memory = large();
        RecomputePlan half = new RecomputePlan(16, 16);
        RecomputePlan full = RecomputePlan.every(Recompute.FULL);
        long work = memory.peakBytes(RecomputePlan.NONE, LARGE_ROWS, 0, Beside.NOTHING)
                - memory.keptBytes(RecomputePlan.NONE, LARGE_ROWS);
        assertThat(memory.peakBytes(half, LARGE_ROWS, 0, Beside.NOTHING))
                .isEqualTo(memory.keptBytes(half, LARGE_ROWS) + work);
        assertThat(memory.peakBytes(full, LARGE_ROWS, 0, Beside.NOTHING))
                .isEqualTo(memory.keptBytes(full, LARGE_ROWS) + work + LARGE_ROWS * (110_728 - 8_192));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    40  | none
                    24  | none in 26, selective in 6
                    12  | none in 9, selective in 23
                    6.1 | none in 1, selective in 31
                    5   | none in 1, selective in 18, full in 13
                    3.9 | none in 1, full in 31
                    """)
    void asMuchIsRecomputedAsTheBudgetAsksFor(double gibibytes, String words) {
        DecoderMemory memory = large();
        long budget = (long) (gibibytes * (1L << 30));
        RecomputePlan chosen = memory.cheapest(LARGE_ROWS, 2048, LOSS_BYTES, Beside.NOTHING, budget)
                .orElseThrow();
        assertThat(memory.words(chosen)).isEqualTo(words);
        assertThat(memory.peakBytes(chosen, LARGE_ROWS, LOSS_BYTES, Beside.NOTHING))
                .isLessThanOrEqualTo(budget);
        long ofABlock = memory.price(new RecomputePlan(1, 1), 2048);
        assertThat(everyPlan(32))
                .filteredOn(plan -> memory.price(plan, 2048) + ofABlock <= memory.price(chosen, 2048))
                .allSatisfy(plan -> assertThat(memory.peakBytes(plan, LARGE_ROWS, LOSS_BYTES, Beside.NOTHING))
                        .as("%s", plan)
                        .isGreaterThan(budget));
    }

    private static List<RecomputePlan> everyPlan(int layers) {
        return IntStream.rangeClosed(0, layers)
                .boxed()
                .flatMap(full -> IntStream.rangeClosed(full, layers).mapToObj(until -> new RecomputePlan(full, until)))
                .toList();
    }

    /** A backward holds 320 MiB of scores and their gradients; a shorter sequence has no more of each than R² for a head. */
    @Test
    void cappedScoresHaveRoomForTheirBlocksAndKeepNoLogSumExp() {
        DecoderMemory capped = memory(GEMMA.formatted(50.0));
        DecoderMemory plain = memory(GEMMA.formatted("null"));
        RecomputePlan none = RecomputePlan.NONE;
        assertThat(plain.keptBytes(none, LARGE_ROWS) - capped.keptBytes(none, LARGE_ROWS))
                .isEqualTo(LARGE_ROWS * 2 * 8 * 4);
        long kept = capped.keptBytes(none, LARGE_ROWS) - plain.keptBytes(none, LARGE_ROWS);
        assertThat(capped.peakBytes(none, LARGE_ROWS, 0, Beside.NOTHING)
                        - plain.peakBytes(none, LARGE_ROWS, 0, Beside.NOTHING)
                        - kept)
                .isEqualTo(320L << 20);
        long keptOfFew = capped.keptBytes(none, 32) - plain.keptBytes(none, 32);
        assertThat(capped.peakBytes(none, 32, 0, Beside.NOTHING)
                        - plain.peakBytes(none, 32, 0, Beside.NOTHING)
                        - keptOfFew)
                .isEqualTo(2 * 8 * 32 * 32 * 4);
    }

    @Test
    void whatFitsInNoWayIsNotChosen() {
        assertThat(large().cheapest(LARGE_ROWS, 2048, LOSS_BYTES, Beside.NOTHING, 3L << 30))
                .isEmpty();
    }

    private DecoderMemory large() {
        return memory(LARGE);
    }

    private DecoderMemory memory(String config) {
        try {
            Files.writeString(directory.resolve("config.json"), config);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        try (ModelFolder folder = ModelFolder.random(directory, 1)) {
            return new DecoderMemory(folder.config(), ScalarType.BFloat16, 0, Collections.nCopies(32, 0L));
        }
    }
}
