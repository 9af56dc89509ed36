// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.function.BiFunction;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a part draws is what libtorch draws there when it draws the whole parameter at once. */
final class InitializationTest {
    private static final long SEED = 3;
    private static final long TRIPLE_GOLDEN_GAMMA = 0xDAA66D2C7DDF743FL; // seed × golden gamma
    private static final String NAME = "model.layers.0.mlp.up_proj.weight";
    private static final long CHUNK = 1 << 20;

    @ParameterizedTest
    @ValueSource(longs = {1, 7, 15, 16, 17, 1000, CHUNK + 5, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 5, 3 * CHUNK + 17})
    void partsOfADrawAreTheDrawWhateverTheCuts(long elements) {
        try (TensorScope scope = new TensorScope()) {
            same(HostTensors.empty(ScalarType.Float, elements).normal_(0, 0.02, generator()), (part, target) -> {
                Initialization.normal(part, 0.02, SEED, target);
                return target;
            });
            same(HostTensors.empty(ScalarType.Float, elements).uniform_(-0.5, 0.5, generator()), (part, target) -> {
                Initialization.uniform(part, 0.5, SEED, target);
                return target;
            });
        }
    }

    @Test
    void aNarrowTargetGetsTheRoundedNumbersOfAWideOne() {
        try (TensorScope scope = new TensorScope()) {
            Part part = new Part(NAME, 100, 10, 90);
            Tensor wide = HostTensors.zeros(ScalarType.Float, 80);
            Tensor narrow = HostTensors.zeros(ScalarType.BFloat16, 80);
            Initialization.normal(part, 1, SEED, wide);
            Initialization.normal(part, 1, SEED, narrow);
            assertThat(torch.equal(wide.to(ScalarType.BFloat16), narrow)).isTrue();
        }
    }

    @Test
    void aPartBeyondTheParameterIsRefused() {
        assertThatThrownBy(() -> new Part(NAME, 100, 10, 101)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    /** The whole, its halves with an odd cut, one number, and nothing. */
    private static void same(Tensor whole, BiFunction<Part, Tensor, Tensor> draw) {
        long elements = whole.numel();
        long[][] parts = {{0, elements}, {0, elements / 3}, {elements / 3, elements}, {elements - 1, elements}, {0, 0}};
        for (long[] cut : parts) {
            Tensor target = HostTensors.zeros(ScalarType.Float, cut[1] - cut[0]);
            Tensor drawn = draw.apply(new Part(NAME, elements, cut[0], cut[1]), target);
            assertThat(torch.equal(drawn, whole.narrow(0, cut[0], cut[1] - cut[0])))
                    .as("%d to %d of %d", cut[0], cut[1], elements)
                    .isTrue();
        }
    }

    private static GeneratorOptional generator() {
        CRC32C key = new CRC32C();
        key.update(NAME.getBytes(StandardCharsets.UTF_8));
        return new GeneratorOptional(torch.make_generator_cpu(TRIPLE_GOLDEN_GAMMA ^ key.getValue()));
    }
}
