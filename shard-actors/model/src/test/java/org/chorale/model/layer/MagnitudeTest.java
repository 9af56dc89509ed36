// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.chorale.model.layer.GradientCheck.random;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** DoRA is PEFT's formula: written plainly, differentiated by autograd with lengths that are constants, in fp64. */
@ExtendWith(ScopedTensors.class)
final class MagnitudeTest {
    private static final double SCALE = 1.5;
    private static final double RATE = 0.4;
    private static final long ROWS = 10;
    private static final long INPUTS = 5;
    private static final long[] OUTPUTS = {4, 3};
    private static final DropoutKeys KEYS = DropoutKeys.of(1, 2, new long[] {5, 6}, 5);

    private final Tensor x = random(ROWS, INPUTS);

    /** A linear with all that DoRA adds. */
    private static final class Adapted {
        final Parameter weight = new Parameter("weight", random(0, 0), null);
        final List<Parameter> trained = new ArrayList<>(); // bias, A, B, m
        final Linear linear;
        final Tensor w;

        Adapted(String name, long outputs, double rate) {
            w = random(outputs, INPUTS);
            weight.setValue(w);
            Parameter bias = add(name + ".bias", random(outputs));
            Parameter down = add(name + ".down", random(2, INPUTS));
            Parameter up = add(name + ".up", random(outputs, 2));
            Parameter m = add(name + ".m", random(outputs).add_(Scalars.of(2)));
            linear = new Linear(weight, bias, new LowRank(down, up, 2, SCALE, rate, new Magnitude(m, outputs)));
        }

        private Parameter add(String name, Tensor value) {
            Parameter parameter = new Parameter(name, value, torch.zeros_like(value));
            trained.add(parameter);
            return parameter;
        }

        /** As PEFT 0.21 computes it. */
        Tensor formula(Tensor in, Tensor[] leaves, @Nullable DropoutKeys keys) {
            Tensor read = in;
            if (keys != null) {
                Tensor ones = torch.ones(ROWS, INPUTS).to(ScalarType.Double);
                read = in.mul(new Dropout(trained.get(1).name(), RATE).apply(ones, keys));
            }
            Tensor lowRank = leaves[2].mm(leaves[1]).mul(Scalars.of(SCALE));
            Tensor lengths = w.add(lowRank).square().sum(1).sqrt().detach();
            Tensor factor = leaves[3].div(lengths);
            Tensor result = torch.addmm(leaves[0], in, w.t());
            return result.add(read.mm(w.t()).mul(factor.sub(Scalars.of(1))))
                    .add(read.mm(lowRank.t()).mul(factor));
        }

        Tensor[] leaves() {
            return trained.stream().map(parameter -> leaf(parameter.value())).toArray(Tensor[]::new);
        }

        void hasGradientsOf(Tensor[] leaves) {
            for (int i = 0; i < leaves.length; i++) {
                Parameter parameter = trained.get(i);
                close(Objects.requireNonNull(parameter.gradient()), leaves[i].grad(), parameter.name());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0, false", "0, true", "0.4, false", "0.4, true"})
    void outputAndGradientsAreThoseOfPeftsFormula(double rate, boolean saved) {
        DropoutKeys keys = rate > 0 ? KEYS : null;
        Adapted adapted = new Adapted("a", OUTPUTS[0], rate);
        Tensor in = leaf(x);
        Tensor[] leaves = adapted.leaves();
        Tensor expected = adapted.formula(in, leaves, keys);
        Tensor dy = random(ROWS, OUTPUTS[0]);
        expected.mul(dy).sum().backward();
        try (Tape tape = new Tape()) {
            Tensor y = saved ? adapted.linear.forward(x, keys, tape) : adapted.linear.forward(x, keys);
            close(y, expected.detach(), "output");
            assertThat(tape.bytes()).isEqualTo(saved ? ROWS * adapted.linear.savedWidth() * Double.BYTES : 0);
            Tensor dx = saved ? adapted.linear.backward(dy, x, keys, tape) : adapted.linear.backward(dy, x, keys);
            close(dx, in.grad(), "input");
        }
        adapted.hasGradientsOf(leaves);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, RATE})
    void linearsSideBySideAreEachScaledByTheirOwn(double rate) {
        DropoutKeys keys = rate > 0 ? KEYS : null;
        Adapted first = new Adapted("a", OUTPUTS[0], rate);
        Adapted second = new Adapted("b", OUTPUTS[1], rate);
        Tensor in = leaf(x);
        Tensor[] ofFirst = first.leaves();
        Tensor[] ofSecond = second.leaves();
        Tensor dy = random(ROWS, OUTPUTS[0] + OUTPUTS[1]);
        Tensor one = first.formula(in, ofFirst, keys);
        Tensor two = second.formula(in, ofSecond, keys);
        one.mul(dy.narrow(1, 0, OUTPUTS[0])).sum().backward();
        two.mul(dy.narrow(1, OUTPUTS[0], OUTPUTS[1])).sum().backward();
        SideBySide both = new SideBySide(first.linear, second.linear);
        try (Tape tape = new Tape()) {
            Tensor[] parts = both.split(both.forward(x, keys, tape));
            close(parts[0], one.detach(), "first");
            close(parts[1], two.detach(), "second");
            assertThat(tape.bytes()).isEqualTo(ROWS * both.savedWidth() * Double.BYTES);
            close(both.backward(dy, x, keys, tape), in.grad(), "input");
            assertThat(tape.bytes()).isZero();
        }
        first.hasGradientsOf(ofFirst);
        second.hasGradientsOf(ofSecond);
    }

    @ParameterizedTest
    @CsvSource({"BFloat16, 0x1p-7", "Half, 0x1p-10", "Float, 1e-6"})
    void lengthsAreTakenInFloatAndOutputsRoundedOnce(ScalarType type, double tolerance) {
        Parameter weight = new Parameter("w", random(64, 96).to(type), null);
        Parameter down = new Parameter("a", random(4, 96).to(type), null);
        Parameter up = new Parameter("b", random(64, 4).to(type), null);
        Parameter m = new Parameter("m", random(64).to(type), null);
        Magnitude magnitude = new Magnitude(m, 64);
        LowRank adapter = new LowRank(down, up, 4, 0.5, 0, magnitude);
        Tensor lengths = magnitude.lengths(weight.value(), adapter);
        assertThat(lengths.scalar_type().intern()).isEqualTo(ScalarType.Float);
        Tensor sum = wide(weight).add(wide(up).mm(wide(down)), Scalars.of(0.5));
        Tensor expected = sum.square().sum(1).sqrt();
        assertThat(lengths.div(expected).sub(Scalars.of(1)).abs().max().item_double())
                .isLessThan(1e-6);
        Tensor v = random(7, 64).to(type);
        Tensor y = magnitude.scaled(v, lengths);
        assertThat(y.scalar_type().intern()).isEqualTo(type);
        Tensor exact = v.to(ScalarType.Double).mul(wide(m).div(expected));
        assertThat(y.sub(exact)
                        .abs()
                        .sub(exact.abs().mul(Scalars.of(tolerance)))
                        .max()
                        .item_double())
                .isLessThan(1e-6);
    }

    @Test
    void aWeightThatIsTrainedTooAndFp8WithDropoutAreRefused() {
        Adapted adapted = new Adapted("a", 16, 0);
        Tensor w = random(16, 16);
        LowRank plain = Objects.requireNonNull(adapted.linear.adapter());
        assertThatThrownBy(() -> new Linear(new Parameter("w", w, torch.zeros_like(w)), null, plain))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("must be frozen");
        LowRank dropping = Objects.requireNonNull(new Adapted("a", 16, RATE).linear.adapter());
        assertThatThrownBy(() -> new Linear(new Parameter("w", w, null), null, dropping, Fp8Scaling.TENSOR))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("FP8");
    }

    private static Tensor wide(Parameter parameter) {
        return parameter.value().to(ScalarType.Double);
    }

    private static Tensor leaf(Tensor value) {
        Tensor leaf = value.detach().clone();
        leaf.set_requires_grad(true);
        return leaf;
    }

    private static void close(Tensor actual, Tensor expected, String what) {
        double scale = Math.max(1, expected.abs().max().item_double());
        assertThat(actual.sub(expected).abs().max().item_double()).as(what).isLessThan(1e-12 * scale);
    }
}
