// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A whole adapted model: its gradients, what recomputation repeats, and what cutting a batch leaves as it is. */
final class DecoderAdapterTest {
    private static final long TOKENS = 8;

    @TempDir
    private Path directory;

    @BeforeEach
    void seed() {
        torch.manual_seed(11);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void gradientsOfAnAdaptedModelAreThoseOfAutograd(boolean dora) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory).adapted(lora(0, dora), 1)) {
            TinyLlama llama = TinyLlama.load(folder, ScalarType.Double);
            Tensor tokens = tokens(2);
            Tensor dLogits = torch.randn(2 * TOKENS, 29).to(ScalarType.Double);
            Map<String, Tensor> leaves = llama.leaves(ScalarType.Double);
            Tensor logits = new PlainDecoder(folder.config(), leaves).logits(tokens, 2);
            logits.mul(dLogits).sum().backward();
            assertThat(distance(run(llama, tokens, dLogits, null, Recompute.NONE), logits.detach()))
                    .isLessThan(1e-10);
            List<String> trained = trained(llama);
            assertThat(trained).hasSize(2 * (dora ? 3 : 2) * 7 + 1).contains("lm_head.weight");
            trained.forEach(name -> assertThat(distance(
                            llama.gradient(name),
                            Objects.requireNonNull(leaves.get(name)).grad()))
                    .as(name)
                    .isLessThan(1e-10));
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatLiesBelowTheLowestTrainedBlockIsNeitherKeptNorRunBack(Recompute recompute) {
        try (TensorScope scope = new TensorScope();
                ModelFolder all = TinyLlama.folder(directory).adapted(lora(0, false), 1);
                ModelFolder upper =
                        TinyLlama.folder(directory).adapted(lora(0, false), 1).with(freezing("model.layers.0.**"));
                ModelFolder head =
                        TinyLlama.folder(directory).adapted(lora(0, false), 1).with(freezing("model.**"))) {
            Tensor tokens = tokens(2);
            Tensor dLogits = torch.randn(2 * TOKENS, 29);
            TinyLlama whole = TinyLlama.load(all, ScalarType.Float);
            Tensor logits = run(whole, tokens, dLogits, null, recompute);
            long keptBytes = keptBytes(whole, tokens, recompute);
            for (TinyLlama part : List.of(whole.frozenAs(upper), whole.frozenAs(head))) {
                assertThat(run(part, tokens, dLogits, null, recompute).equal(logits))
                        .isTrue();
                assertThat(trained(part))
                        .isNotEmpty()
                        .allSatisfy(name -> assertThat(part.gradient(name).equal(whole.gradient(name)))
                                .isTrue());
                assertThat(keptBytes(part, tokens, recompute)).isLessThan(keptBytes);
                keptBytes = keptBytes(part, tokens, recompute);
            }
        }
    }

    private static Freezing freezing(String glob) {
        return new Freezing(List.of(NamePattern.glob(glob)), List.of());
    }

    private static long keptBytes(TinyLlama llama, Tensor tokens, Recompute recompute) {
        try (Decoder model = llama.model(recompute);
                Tape tape = new Tape()) {
            model.forward(tokens, model.context(tokens.size(0) / TOKENS, TOKENS, null), tape);
            return tape.bytes();
        }
    }

    @ParameterizedTest
    @CsvSource({"SELECTIVE, false", "FULL, false", "SELECTIVE, true", "FULL, true"})
    void recomputationRepeatsWhatWasDropped(Recompute recompute, boolean dora) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory).adapted(lora(0.3, dora), 1)) {
            Tensor tokens = tokens(2);
            Tensor dLogits = torch.randn(2 * TOKENS, 29);
            DropoutKeys keys = DropoutKeys.of(1, 2, new long[] {3, 4}, (int) TOKENS);
            TinyLlama llama = TinyLlama.load(folder, ScalarType.Float);
            Tensor logits = run(llama, tokens, dLogits, keys, Recompute.NONE);
            Map<String, Tensor> gradients = takeGradients(llama);
            assertThat(run(llama, tokens, dLogits, keys, recompute).equal(logits))
                    .isTrue();
            gradients.forEach((name, gradient) ->
                    assertThat(llama.gradient(name).equal(gradient)).as(name).isTrue());
            assertThat(run(llama, tokens, dLogits, null, Recompute.NONE).equal(logits))
                    .isFalse();
        }
    }

    @Test
    void oneSampleAtATimeDropsWhatTheWholeBatchDrops() {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory).adapted(lora(0.3, true), 1)) {
            Tensor tokens = tokens(3);
            Tensor dLogits = torch.randn(3 * TOKENS, 29).to(ScalarType.Double);
            TinyLlama llama = TinyLlama.load(folder, ScalarType.Double);
            Tensor logits = run(
                    llama,
                    tokens,
                    dLogits,
                    DropoutKeys.of(1, 2, new long[] {10, 11, 12}, (int) TOKENS),
                    Recompute.NONE);
            Map<String, Tensor> gradients = takeGradients(llama);
            for (int i = 2; i >= 0; i--) {
                Tensor part = run(
                        llama,
                        tokens.narrow(0, i * TOKENS, TOKENS),
                        dLogits.narrow(0, i * TOKENS, TOKENS),
                        DropoutKeys.of(1, 2, new long[] {10 + i}, (int) TOKENS),
                        Recompute.NONE);
                assertThat(distance(part, logits.narrow(0, i * TOKENS, TOKENS))).isLessThan(1e-12);
            }
            gradients.forEach((name, gradient) -> assertThat(distance(llama.gradient(name), gradient))
                    .as(name)
                    .isLessThan(1e-10));
        }
    }

    /** Adds to the gradients. */
    private static Tensor run(
            TinyLlama llama, Tensor tokens, Tensor dLogits, @Nullable DropoutKeys keys, Recompute recompute) {
        try (Decoder model = llama.model(recompute);
                Tape tape = new Tape()) {
            SequenceContext plain = model.context(tokens.size(0) / TOKENS, TOKENS, null);
            SequenceContext context = keys == null ? plain : plain.withDropout(keys);
            Tensor hidden = model.forward(tokens, context, tape);
            Tensor logits = model.logits(hidden);
            model.backward(model.logitsBackward(dLogits, hidden, tape), context, tape);
            return logits;
        }
    }

    /** Copies of the gradients, which are zero afterwards. */
    private static Map<String, Tensor> takeGradients(TinyLlama llama) {
        Map<String, Tensor> gradients = new LinkedHashMap<>();
        trained(llama).forEach(name -> {
            gradients.put(name, llama.gradient(name).clone());
            llama.gradient(name).zero_();
        });
        return gradients;
    }

    private static List<String> trained(TinyLlama llama) {
        return llama.parameters().values().stream()
                .filter(parameter -> parameter.trainable())
                .map(parameter -> parameter.name())
                .toList();
    }

    private static Tensor tokens(int sequences) {
        long[] tokens = new long[sequences * (int) TOKENS];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (i * 7L + i / 5) % 29;
        }
        return HostTensors.ofLongs(tokens, tokens.length);
    }

    /** Scale 2, as {@link PlainDecoder} has it. */
    private static LoraConfig lora(double dropout, boolean dora) {
        return new LoraConfig(
                4,
                8,
                dropout,
                ModuleSelection.ALL_LINEAR,
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                dora,
                List.of("lm_head"),
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
