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
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.layer.KeyValueCache;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every family, in fp64, against the same formulas differentiated by autograd. */
final class DecoderFamilyTest {
    private static final int SEQUENCES = 2;
    private static final int TOKENS = 7;

    @TempDir
    private Path directory;

    static List<String> families() {
        return TinyFamilies.all();
    }

    /** Without those whose frequencies follow from the longest document of all. */
    static List<String> packable() {
        return TinyFamilies.all().stream()
                .filter(config -> !config.contains("dynamic"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("families")
    void logitsAndGradientsAreThoseOfAutograd(String config) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory, config)) {
            assertAutograd(folder);
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void adaptersOnAllLinearsHaveTheGradientsOfAutograd(String config) {
        for (boolean dora : new boolean[] {false, true}) {
            try (TensorScope scope = new TensorScope();
                    ModelFolder folder = TinyLlama.folder(directory, config).adapted(lora(dora), 1)) {
                assertAutograd(folder);
            }
        }
    }

    private static void assertAutograd(ModelFolder folder) {
        TinyLlama model = TinyLlama.load(folder, ScalarType.Double);
        Map<String, Tensor> leaves = model.leaves(ScalarType.Double);
        Tensor dLogits = torch.randn(SEQUENCES * TOKENS, 29).to(ScalarType.Double);
        Tensor expected = new PlainDecoder(folder.config(), leaves).logits(tokens(), SEQUENCES);
        expected.mul(dLogits).sum().backward();
        Tensor logits = run(model, dLogits, Recompute.NONE);
        assertThat(distance(logits, expected)).as("logits").isLessThan(1e-6);
        model.parameters().values().stream()
                .filter(parameter -> parameter.trainable())
                .forEach(parameter -> {
                    Tensor gradient =
                            Objects.requireNonNull(leaves.get(parameter.name())).grad();
                    double largest = Math.max(1, gradient.abs().max().item_double());
                    assertThat(distance(model.gradient(parameter.name()), gradient) / largest)
                            .as(parameter.name())
                            .isLessThan(1e-6);
                });
    }

    @ParameterizedTest
    @MethodSource("families")
    void recomputationRepeatsEveryBitAndKeepsWhatTheFormulaSays(String config) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory, config)) {
            Tensor dLogits = torch.randn(SEQUENCES * TOKENS, 29);
            TinyLlama model = TinyLlama.load(folder, ScalarType.Float);
            run(model, dLogits, Recompute.NONE);
            Map<String, Tensor> expected = new LinkedHashMap<>();
            model.parameters().keySet().forEach(name -> {
                expected.put(name, model.gradient(name).clone());
                model.gradient(name).zero_();
            });
            for (Recompute recompute : List.of(Recompute.SELECTIVE, Recompute.FULL)) {
                run(model, dLogits, recompute);
                expected.forEach((name, gradient) -> {
                    assertThat(model.gradient(name).equal(gradient))
                            .as(recompute + " " + name)
                            .isTrue();
                    model.gradient(name).zero_();
                });
            }
        }
    }

    @ParameterizedTest
    @MethodSource("packable")
    void packedDocumentsAreWhatEachIsAlone(String config) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory, config)) {
            TinyLlama tiny = TinyLlama.load(folder, ScalarType.Double);
            long[] positions = {0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 1, 2, 3, 4};
            long[] documents = {0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1};
            try (Decoder model = tiny.model(Recompute.NONE);
                    Tape tape = new Tape()) {
                Tensor packed =
                        model.forward(tokens(), model.packedContext(SEQUENCES, TOKENS, positions, documents), tape);
                long[] begins = {0, 4, 7, 9, 14};
                TensorVector alone = new TensorVector();
                for (int i = 1; i < begins.length; i++) {
                    long count = begins[i] - begins[i - 1];
                    Tensor part = tokens().narrow(0, begins[i - 1], count);
                    alone.push_back(model.forward(part, model.context(1, count, null), tape));
                }
                assertThat(distance(packed, torch.cat(alone, 0))).isLessThan(1e-9);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void aSequenceThatGrowsIsWhatItIsAsAWhole(String config) {
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = TinyLlama.folder(directory, config)) {
            TinyLlama tiny = TinyLlama.load(folder, ScalarType.Double);
            try (Decoder model = tiny.model(Recompute.NONE);
                    Tape tape = new Tape();
                    KeyValueCache cache = model.newCache()) {
                Tensor tokens = tokens().narrow(0, 0, 4);
                Tensor whole = model.forward(tokens, model.context(1, 4, null), tape);
                TensorVector grown = new TensorVector();
                grown.push_back(model.extend(tokens.narrow(0, 0, 2), cache));
                grown.push_back(model.extend(tokens.narrow(0, 2, 1), cache));
                grown.push_back(model.extend(tokens.narrow(0, 3, 1), cache));
                assertThat(distance(whole, torch.cat(grown, 0))).isLessThan(1e-9);
            }
        }
    }

    private static Tensor run(TinyLlama tiny, Tensor dLogits, Recompute recompute) {
        try (Decoder model = tiny.model(recompute);
                Tape tape = new Tape()) {
            SequenceContext context = model.context(SEQUENCES, TOKENS, null);
            Tensor hidden = model.forward(tokens(), context, tape);
            long expected = model.memory().keptBytes(RecomputePlan.every(recompute), SEQUENCES * TOKENS);
            assertThat(tape.bytes()).as("%s", recompute).isEqualTo(expected);
            Tensor logits = model.logits(hidden, tape);
            model.backward(model.logitsBackward(dLogits, hidden, tape), context, tape);
            assertThat(tape.bytes()).as("left on the tape").isZero();
            return logits;
        }
    }

    private static Tensor tokens() {
        long[] tokens = new long[SEQUENCES * TOKENS];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (i * 7L + i / 5) % 29;
        }
        return HostTensors.ofLongs(tokens, tokens.length);
    }

    /** Scale 2, as {@link PlainDecoder} has it. */
    private static LoraConfig lora(boolean dora) {
        return new LoraConfig(
                4,
                8,
                0,
                ModuleSelection.ALL_LINEAR,
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                dora,
                List.of(),
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
