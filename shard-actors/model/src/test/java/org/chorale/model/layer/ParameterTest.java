// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A gradient that was cleared is zero, though nobody has written its memory, in which NaN lies here. */
final class ParameterTest {
    private static final long ROWS = 5;
    private static final double SCALE = 0.75;

    private TensorScope scope;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker") // closed after each test
    void openScope() {
        torch.manual_seed(29);
        scope = new TensorScope();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    /** What is added to gradients: dtype of the factors. */
    private enum Factors {
        DOUBLE(ScalarType.Double, ScalarType.Double),
        FLOAT(ScalarType.Float, ScalarType.Float),
        BFLOAT16(ScalarType.BFloat16, ScalarType.Float),
        HALF(ScalarType.Half, ScalarType.Float);

        final ScalarType type;
        final ScalarType sum;

        Factors(ScalarType type, ScalarType sum) {
            this.type = type;
            this.sum = sum;
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatIsAddedFirstIsWrittenAndTheRestAdded(Factors factors) {
        Tensor a = random(factors.type, ROWS, 3);
        Tensor b = random(factors.type, ROWS, 4);
        writesFirst(factors, gradient -> gradient.addGradientProduct(a, b, SCALE), 3, 4);
        writesFirst(factors, gradient -> gradient.addGradientOfRows(b), 4);
        writesFirst(factors, gradient -> gradient.addGradient(b), ROWS, 4);
    }

    private static void writesFirst(Factors factors, Consumer<Parameter> addition, long... shape) {
        Parameter zeroed = parameter(factors, 0, shape);
        Parameter cleared = parameter(factors, Double.NaN, shape);
        cleared.clearGradient();
        for (int time = 0; time < 2; time++) {
            addition.accept(zeroed);
            addition.accept(cleared);
            assertThat(memory(cleared).equal(memory(zeroed))).isTrue();
            assertThat(memory(zeroed).abs().max().item_double()).isPositive();
        }
    }

    @Test
    void itIsZeroForWhoeverReadsIt() {
        Parameter read = parameter(Factors.FLOAT, Double.NaN, 3, 4);
        read.clearGradient();
        assertThat(Objects.requireNonNull(read.gradient()).abs().max().item_double())
                .isZero();
        Parameter settled = parameter(Factors.FLOAT, Double.NaN, 3, 4);
        settled.clearGradient();
        settled.settleGradient();
        assertThat(memory(settled).abs().max().item_double()).isZero();
    }

    @Test
    void whatWasAddedStaysWhenItIsReadOrSettled() {
        Parameter parameter = parameter(Factors.FLOAT, Double.NaN, 3, 4);
        parameter.clearGradient();
        parameter.addGradient(torch.ones(3, 4));
        parameter.settleGradient();
        assertThat(Objects.requireNonNull(parameter.gradient()).sum().item_double())
                .isEqualTo(12);
        parameter.clearGradient();
        assertThat(Objects.requireNonNull(parameter.gradient()).sum().item_double())
                .isZero();
    }

    @Test
    void gradientsInOneProductAreWrittenTogetherOrSettledBefore() {
        Tensor dy = random(ScalarType.Double, ROWS, 5);
        Tensor x = random(ScalarType.Double, ROWS, 4);
        Tensor expected = dy.t().mm(x);
        for (boolean oneWasAddedTo : new boolean[] {false, true}) {
            Tensor sums = expected.clone().fill_(Scalars.of(Double.NaN));
            List<Parameter> parts = List.of(part(sums, 0, 3), part(sums, 3, 2));
            parts.forEach(Parameter::clearGradient);
            Tensor before = torch.zeros_like(expected);
            if (oneWasAddedTo) {
                parts.get(1).addGradient(torch.ones_like(parts.get(1).value()));
                before.narrow(0, 3, 2).fill_(Scalars.of(1));
            }
            Parameter.addGradientProduct(parts, sums, dy, x);
            assertThat(sums.sub(before.add(expected)).abs().max().item_double()).isLessThan(1e-14);
            Parameter.addGradientProduct(parts, sums, dy, x);
            assertThat(sums.sub(before.add(expected).add(expected)).abs().max().item_double())
                    .isLessThan(1e-14);
        }
    }

    private static Parameter part(Tensor sums, long from, long rows) {
        Tensor gradient = sums.narrow(0, from, rows);
        return new Parameter("part", torch.zeros_like(gradient), gradient);
    }

    private static Parameter parameter(Factors factors, double memory, long... shape) {
        Tensor gradient = torch.zeros(shape, new TensorOptions(factors.sum)).fill_(Scalars.of(memory));
        return new Parameter("parameter", torch.zeros(shape, new TensorOptions(factors.type)), gradient);
    }

    private static Tensor memory(Parameter parameter) {
        return Objects.requireNonNull(parameter.gradientMemory());
    }

    private static Tensor random(ScalarType type, long... shape) {
        return torch.randn(shape, new TensorOptions(ScalarType.Double)).to(type);
    }
}
