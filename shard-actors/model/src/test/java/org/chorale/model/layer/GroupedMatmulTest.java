// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** libtorch's operator gives what a product for each expert gives, whatever rows each expert has. */
@ExtendWith(ScopedTensors.class)
final class GroupedMatmulTest {
    private static final int EXPERTS = 4;
    private static final int INPUTS = 16;
    private static final int OUTPUTS = 264; // three tiles, the last one not full
    private static final int GAP = 8; // numbers between two experts' matrices
    private static final long SMALL_ADDEND_BYTES = 1; // of a tile's rows at once

    static List<Arguments> cases() {
        return Stream.of(ScalarType.Float, ScalarType.BFloat16)
                .flatMap(type -> Stream.of(
                                "0 0 1 1 2 3 3 3 3",
                                "2 2 2 2 2", // all rows to one expert
                                "1 3 3 1 3", // none to the first and to one in the middle
                                "0 1 2",
                                "3") // one row
                        .map(experts -> Arguments.of(type, experts)))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void rowsAreMultipliedByTheirExpertsMatrices(ScalarType type, String experts) {
        Routing routing = routing(experts);
        Tensor w = matrices(type);
        Tensor x = random(type, routing.ends().select(0, EXPERTS - 1).item_long(), INPUTS);
        Tensor y = new GroupedOperator(routing.ends()).of(x, w.transpose(1, 2));
        assertClose(y, new EachProduct(routing).of(x, w.transpose(1, 2)), type);
        for (int expert = 0; expert < EXPERTS; expert++) {
            Tensor own = routing.part(x, expert).mm(w.select(0, expert).t());
            assertClose(routing.part(y, expert), own, type);
        }
        Tensor back = new GroupedOperator(routing.ends()).of(y, w);
        assertClose(back, new EachProduct(routing).of(y, w), type);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsAreWrittenAndAddedToPartByPart(ScalarType type, String experts) {
        Routing routing = routing(experts);
        long slots = routing.ends().select(0, EXPERTS - 1).item_long();
        Tensor dy = random(type, slots, OUTPUTS);
        Tensor x = random(type, slots, INPUTS);
        GroupedMatmul parts = new GroupedOperator(routing.ends(), SMALL_ADDEND_BYTES);
        Tensor found = matrices(ScalarType.Float).fill_(Scalars.of(Double.NaN));
        Tensor expected = matrices(ScalarType.Float);
        parts.write(found, dy, x, 0.5);
        new EachProduct(routing).write(expected, dy, x, 0.5);
        assertClose(found, expected, type);
        parts.addTo(found, dy, x, 2);
        assertClose(found, expected.mul(Scalars.of(5)), type);
        new EachProduct(routing).addTo(expected, dy, x, 2);
        assertClose(found, expected, type);
    }

    @Test
    void rowsOfSeveralExpertsStayInTheirOrder() {
        Routing routing = routing("1 0 1 3 0");
        assertThat(IntStream.range(0, EXPERTS).mapToLong(routing::count)).containsExactly(2L, 2L, 0L, 1L);
        assertThat(routing.rowsOnHost()).containsExactly(1, 4, 0, 2, 3);
    }

    /** @param experts of each row */
    private static Routing routing(String experts) {
        String[] words = experts.split(" ", -1);
        Tensor probabilities = torch.zeros(words.length, EXPERTS);
        for (int row = 0; row < words.length; row++) {
            probabilities.select(0, row).select(0, Integer.parseInt(words[row])).fill_(Scalars.of(1));
        }
        return Routing.of(probabilities, 1);
    }

    /** [E, O, I] of random numbers, with gaps as in a buffer that holds other matrices between them. */
    private static Tensor matrices(ScalarType type) {
        long each = (long) OUTPUTS * INPUTS;
        return HostTensors.zeros(type, EXPERTS * (each + GAP))
                .as_strided(new long[] {EXPERTS, OUTPUTS, INPUTS}, new long[] {each + GAP, INPUTS, 1})
                .copy_(random(type, EXPERTS, OUTPUTS, INPUTS));
    }

    private static Tensor random(ScalarType type, long... shape) {
        return torch.randn(shape).to(type);
    }

    private static void assertClose(Tensor found, Tensor expected, ScalarType type) {
        double scale =
                Math.max(1, expected.numel() == 0 ? 1 : expected.abs().max().item_double());
        double difference = expected.numel() == 0
                ? 0
                : found.to(ScalarType.Double)
                        .sub(expected.to(ScalarType.Double))
                        .abs()
                        .max()
                        .item_double();
        assertThat(difference).isLessThan(scale * (type == ScalarType.Float ? 1e-5 : 1e-2));
    }
}
