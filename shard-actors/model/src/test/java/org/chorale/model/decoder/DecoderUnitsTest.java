// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.KeyValueCache;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** When a Llama uses which of its units. */
final class DecoderUnitsTest {
    private static final Freezing ALL_TRAINED = new Freezing(List.of(), List.of());
    private static final Freezing ONLY_THE_LAST_BLOCK =
            new Freezing(List.of(), List.of(NamePattern.glob("model.layers.1.**")));

    @TempDir
    private Path directory;

    @Test
    void anUntiedModelOpensEachUnitWhereItIsUsedAndAnnouncesTheNext() {
        assertThat(pass(false, ALL_TRAINED, Recompute.NONE))
                .containsExactly(
                        "open root",
                        "announce model.layers.0",
                        "close root",
                        "open model.layers.0",
                        "announce model.layers.1",
                        "close model.layers.0",
                        "open model.layers.1",
                        "announce head",
                        "close model.layers.1",
                        "open head",
                        "openForBackward head",
                        "announce model.layers.1",
                        "closeAfterBackward head",
                        "openForBackward model.layers.1",
                        "announce model.layers.0",
                        "closeAfterBackward model.layers.1",
                        "openForBackward model.layers.0",
                        "closeAfterBackward model.layers.0",
                        "openForGradients root",
                        "closeAfterBackward root");
    }

    @Test
    void aTiedModelKeepsItsRootOpenFromTheFirstLookupToTheLastGradient() {
        List<String> calls = pass(true, ALL_TRAINED, Recompute.NONE);
        assertThat(calls)
                .filteredOn(call -> call.endsWith("root"))
                .containsExactly("open root", "openForBackward root", "closeAfterBackward root");
        assertThat(calls).startsWith("open root").endsWith("closeAfterBackward root");
        assertThat(calls.indexOf("openForBackward root")).isLessThan(calls.indexOf("openForBackward model.layers.1"));
    }

    @Test
    void nothingBelowTheLowestTrainedBlockIsOpenedForABackward() {
        assertThat(pass(false, ONLY_THE_LAST_BLOCK, Recompute.FULL))
                .contains("open model.layers.0", "openForBackward model.layers.1")
                .endsWith("closeAfterBackward model.layers.1")
                .doesNotContain("openForBackward model.layers.0", "openForGradients root");
    }

    @ParameterizedTest
    @CsvSource({"false, NONE", "false, SELECTIVE", "false, FULL", "true, NONE", "true, SELECTIVE", "true, FULL"})
    void aRankWithoutRowsCallsAsOneWithRows(boolean tied, Recompute recompute) {
        for (Freezing freezing : List.of(ALL_TRAINED, ONLY_THE_LAST_BLOCK)) {
            List<String> calls = new ArrayList<>();
            try (ModelFolder folder = folder(tied, freezing);
                    TensorScope scope = new TensorScope();
                    Decoder model = model(folder, calls, recompute)) {
                model.forwardWithoutRows();
                model.backwardWithoutRows();
            }
            assertThat(calls).isEqualTo(pass(tied, freezing, recompute));
        }
    }

    @ParameterizedTest
    @CsvSource({"false, head", "true, root"})
    void aForwardAloneEndsWithNothingOpen(boolean tied, String last) {
        List<String> calls = new ArrayList<>();
        try (ModelFolder folder = folder(tied, ALL_TRAINED);
                TensorScope scope = new TensorScope();
                Decoder model = model(folder, calls, Recompute.NONE);
                KeyValueCache cache = model.newCache()) {
            model.logits(model.extend(HostTensors.ofLongs(new long[] {1, 2}, 2), cache));
            model.endForward();
        }
        assertThat(calls).endsWith("close " + last);
        for (String unit : List.of("root", "model.layers.0", "model.layers.1")) {
            assertThat(calls).containsOnlyOnce("open " + unit, "close " + unit);
        }
    }

    /** The calls of a forward with its backward. */
    private List<String> pass(boolean tied, Freezing freezing, Recompute recompute) {
        List<String> calls = new ArrayList<>();
        try (ModelFolder folder = folder(tied, freezing);
                TensorScope scope = new TensorScope();
                Decoder model = model(folder, calls, recompute);
                Tape tape = new Tape()) {
            SequenceContext context = model.context(1, 3, null);
            Tensor hidden = model.forward(HostTensors.ofLongs(new long[] {1, 2, 3}, 3), context, tape);
            Tensor logits = model.logits(hidden);
            model.backward(model.logitsBackward(torch.ones_like(logits), hidden, tape), context, tape);
        }
        return withoutRepetition(calls);
    }

    /** Both logitsBackward and backward open the head for backward, of which the second changes nothing. */
    private static List<String> withoutRepetition(List<String> calls) {
        int first = IntStream.range(0, calls.size())
                .filter(i -> calls.get(i).startsWith("openForBackward"))
                .findFirst()
                .orElseThrow();
        assertThat(calls.subList(first + 2, first + 4)).isEqualTo(calls.subList(first, first + 2));
        return Stream.concat(calls.subList(0, first).stream(), calls.subList(first + 2, calls.size()).stream())
                .toList();
    }

    private ModelFolder folder(boolean tied, Freezing freezing) {
        String config = """
                {"model_type": "llama", "vocab_size": 13, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 4, "tie_word_embeddings": %s}
                """.formatted(tied);
        try {
            Path folder = Files.createTempDirectory(directory, "model");
            Files.writeString(folder.resolve("config.json"), config);
            return ModelFolder.random(folder, 5).with(freezing);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Decoder model(ModelFolder folder, List<String> calls, Recompute recompute) {
        return TinyLlama.load(folder, ScalarType.Float).model(new Recorder(calls), recompute);
    }

    private record Recorder(List<String> calls) implements Units {
        @Override
        public void open(String unit) {
            calls.add("open " + unit);
        }

        @Override
        public void openForBackward(String unit) {
            calls.add("openForBackward " + unit);
        }

        @Override
        public void openForGradients(String unit) {
            calls.add("openForGradients " + unit);
        }

        @Override
        public void announce(String unit) {
            calls.add("announce " + unit);
        }

        @Override
        public void close(String unit) {
            calls.add("close " + unit);
        }

        @Override
        public void closeAfterBackward(String unit) {
            calls.add("closeAfterBackward " + unit);
        }
    }
}
