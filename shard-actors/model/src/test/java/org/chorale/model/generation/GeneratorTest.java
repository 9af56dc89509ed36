// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.decoder.TinyLlama;
import org.chorale.model.generation.Generator.End;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the cache changes is the time that a token takes, and nothing else. */
final class GeneratorTest {
    private static final long[] PROMPT = {3, 1, 4, 1, 5};
    private static final int NEW_TOKENS = 200;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(doubles = {0, 1})
    void theCacheGivesWhatTheModelGivesWithoutIt(double temperature) {
        with(false, model -> {
            Sampling sampling = new Sampling(temperature, 20, 0.95, 7);
            List<Long> expected = withoutCache(model, PROMPT, new Sampler(sampling));
            assertThat(generated(model, PROMPT, sampling)).isEqualTo(expected);
            assertThat(Set.copyOf(expected).size()).isGreaterThan(temperature == 0 ? 1 : 10);
        });
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1})
    void soItDoesWithScaledRotaryPositions(double temperature) {
        with(true, model -> {
            Sampling sampling = new Sampling(temperature, 0, 1, 8);
            assertThat(generated(model, PROMPT, sampling))
                    .isEqualTo(withoutCache(model, PROMPT, new Sampler(sampling)));
        });
    }

    @Test
    void aLongerSequenceGoesOnFromTheCacheAndAnotherOneFromItsFork() {
        with(false, model -> {
            try (Generator generator = new Generator(model, Set.of(), 512)) {
                generator.generate(PROMPT, 10, new Sampler(Sampling.GREEDY), token -> true);
                for (long[] sequence : new long[][] {{3, 1, 4, 1, 5, 9, 2, 6, 5}, {3, 1, 4, 8, 8}, {3, 1}, {7}}) {
                    List<Long> tokens = new ArrayList<>();
                    generator.generate(sequence, NEW_TOKENS, new Sampler(Sampling.GREEDY), tokens::add);
                    assertThat(tokens).isEqualTo(withoutCache(model, sequence, new Sampler(Sampling.GREEDY)));
                }
            }
        });
    }

    @Test
    void aTextEndsWithAStopTokenItsLengthOrTheContext() {
        with(false, model -> {
            List<Long> free = generated(model, PROMPT, new Sampling(1, 0, 1, 3));
            long stop = free.get(9);
            try (Generator generator = new Generator(model, Set.of(stop, 28L), 40)) {
                List<Long> tokens = new ArrayList<>();
                Sampler sampler = new Sampler(new Sampling(1, 0, 1, 3));
                assertThat(generator.generate(PROMPT, 30, sampler, tokens::add)).isEqualTo(End.STOP);
                assertThat(tokens).isEqualTo(free.subList(0, tokens.size())).doesNotContain(stop, 28L);
                assertThat(tokens.size()).isLessThan(10);
            }
            try (Generator generator = new Generator(model, Set.of(), 40)) {
                List<Long> tokens = new ArrayList<>();
                assertThat(generator.generate(PROMPT, 4, new Sampler(Sampling.GREEDY), tokens::add))
                        .isEqualTo(End.LENGTH);
                assertThat(tokens).hasSize(4);
                tokens.clear();
                assertThat(generator.generate(PROMPT, 99, new Sampler(Sampling.GREEDY), tokens::add))
                        .isEqualTo(End.CONTEXT);
                assertThat(tokens).hasSize(40 - PROMPT.length);
                assertThat(generator.generate(PROMPT, 99, new Sampler(Sampling.GREEDY), token -> false))
                        .isEqualTo(End.LENGTH);
            }
        });
    }

    @Test
    void aPromptThatFillsTheContextIsRefused() {
        with(false, model -> {
            try (Generator generator = new Generator(model, Set.of(), 5)) {
                assertThatThrownBy(() -> generator.generate(PROMPT, 1, new Sampler(Sampling.GREEDY), token -> true))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("the prompt has 5 tokens: must be at least 1, and less than the 5 of the model's"
                                + " context");
                assertThatThrownBy(
                                () -> generator.generate(new long[0], 1, new Sampler(Sampling.GREEDY), token -> true))
                        .hasMessageContaining("the prompt has 0 tokens");
            }
        });
    }

    @Test
    void nothingIsLeftOfATextInNativeMemory() {
        with(false, model -> {
            generated(model, PROMPT, Sampling.GREEDY);
            long before = NativeMemory.liveReferences();
            generated(model, PROMPT, new Sampling(1, 5, 0.9, 1));
            assertThat(NativeMemory.liveReferences()).isEqualTo(before);
        });
    }

    private static List<Long> generated(Decoder model, long[] prompt, Sampling sampling) {
        List<Long> tokens = new ArrayList<>();
        try (Generator generator = new Generator(model, Set.of(), 512)) {
            generator.generate(prompt, NEW_TOKENS, new Sampler(sampling), tokens::add);
        }
        return tokens;
    }

    /** The whole sequence again for every token. */
    private static List<Long> withoutCache(Decoder model, long[] prompt, Sampler sampler) {
        long[] sequence = Arrays.copyOf(prompt, prompt.length + NEW_TOKENS);
        List<Long> tokens = new ArrayList<>();
        for (int length = prompt.length; length < sequence.length; length++) {
            try (TensorScope scope = new TensorScope();
                    Tape dropped = new Tape()) {
                Tensor all = HostTensors.ofLongs(Arrays.copyOf(sequence, length), length);
                Tensor hidden = model.forward(all, model.context(1, length, null), dropped);
                sequence[length] = sampler.next(
                        model.logits(hidden.narrow(0, length - 1L, 1)).select(0, 0));
                tokens.add(sequence[length]);
            }
        }
        return tokens;
    }

    private interface Check {
        void of(Decoder model);
    }

    /** A model with grouped heads. */
    private void with(boolean scaled, Check check) {
        torch.manual_seed(1);
        try (TensorScope scope = new TensorScope();
                ModelFolder folder = scaled ? TinyLlama.scaledFolder(directory) : TinyLlama.folder(directory);
                Decoder model = TinyLlama.load(folder, ScalarType.Float).model(Recompute.NONE)) {
            check.of(model);
        }
    }
}
