// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ScopedTensors;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.model.layer.RandomAttention.Layout;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Capped scores, a sliding window and packed documents, alone and together, equal plain masked attention under autograd,
 * in fp64 and whatever the shape: the way that a decoder takes, and each way that a CPU has.
 */
@ExtendWith(ScopedTensors.class)
final class RandomAttentionTest {
    private static final int SHAPES = 12;

    /** Relative to the largest magnitude of a tensor. */
    private static final double TOLERANCE = 1e-11;

    static Stream<Arguments> features() {
        return Stream.of(false, true)
                .flatMap(capped -> Stream.of(false, true)
                        .flatMap(limited ->
                                Stream.of(Layout.values()).map(layout -> Arguments.of(capped, limited, layout))));
    }

    @ParameterizedTest(name = "capped {0}, window {1}, {2}")
    @MethodSource("features")
    void theWayThatADecoderTakesIsPlainMaskedAttention(boolean capped, boolean limited, Layout layout) {
        checkShapes(capped, limited, layout, null);
    }

    @ParameterizedTest(name = "capped {0}, window {1}, {2}")
    @MethodSource("features")
    void matrixProductsArePlainMaskedAttention(boolean capped, boolean limited, Layout layout) {
        checkShapes(capped, limited, layout, AttentionWay.PLAIN);
    }

    /** It takes no cap. */
    @ParameterizedTest(name = "window {1}, {2}")
    @MethodSource("features")
    void theKernelOfTheCpuIsPlainMaskedAttention(boolean capped, boolean limited, Layout layout) {
        if (!capped) {
            checkShapes(false, limited, layout, AttentionWay.CPU);
        }
    }

    private static void checkShapes(boolean capped, boolean limited, Layout layout, @Nullable AttentionWay way) {
        for (int seed = 0; seed < SHAPES; seed++) {
            Random random = new Random(seed);
            int longest = seed == 0 ? 700 : 48; // more queries than a block of them may have
            try (TensorScope scope = new TensorScope()) {
                check(RandomAttention.of(random, longest, capped, limited, layout), way);
            }
        }
    }

    private static void check(RandomAttention drawn, @Nullable AttentionWay way) {
        FlashAttention attention =
                way == null ? drawn.attention() : drawn.attention().by(way);
        SequenceContext context = drawn.context();
        Tensor q = drawn.queries();
        Tensor k = drawn.keys();
        Tensor v = drawn.keys();
        Tensor read = drawn.read(); // [B, T, 1, 1]
        Tensor dMixed = drawn.queries().mul_(read);

        Tensor[] leaves = PlainFormulas.leaves(List.of(q, k, v), q.scalar_type());
        Tensor expected = drawn.formula(leaves[0], leaves[1], leaves[2]);
        expected.mul(dMixed).sum().backward();

        Attended attended = attention.forward(q, k, v, context);
        assertClose(attended.mixed().mul(read), expected.detach().mul(read), "values of " + drawn);
        Tensor[] gradients = attention.backward(dMixed, q, k, v, attended, context);
        for (int i = 0; i < gradients.length; i++) {
            assertClose(gradients[i], leaves[i].grad(), "gradient %d of %s".formatted(i, drawn));
        }
    }

    private static void assertClose(Tensor actual, Tensor expected, String what) {
        assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
        double scale = Math.max(1, expected.abs().max().item_double());
        assertThat(actual.sub(expected).abs().max().item_double()).as(what).isLessThan(TOLERANCE * scale);
    }
}
