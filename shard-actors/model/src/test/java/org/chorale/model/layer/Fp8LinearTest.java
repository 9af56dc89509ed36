// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A linear with FP8 factors is the plain formula over numbers that were rounded to eight bits; R rows, I inputs, O
 * outputs.
 */
final class Fp8LinearTest {
    private static final long R = 21;
    private static final long I = 48;
    private static final long[] OUTPUTS = {32, 16, 16};
    private static final long O = 64;

    private final Tape tape = new Tape();
    private TensorScope scope;
    private Tensor x;
    private Tensor dy;
    private Tensor w;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker") // closed after each test
    void openScope() {
        torch.manual_seed(31);
        scope = new TensorScope();
        x = random(R, I);
        dy = random(R, O).mul_(Scalars.of(1e-4));
        w = random(O, I);
    }

    @AfterEach
    void closeScope() {
        tape.close();
        scope.close();
    }

    @ParameterizedTest
    @EnumSource
    void theProductsAreThoseOfRoundedFactors(Fp8Scaling scaling) {
        Parameter weight = trained(w);
        Linear linear = new Linear(weight, null, null, scaling);
        boolean byRow = scaling == Fp8Scaling.ROW;
        Tensor y = linear.forward(x);
        Tensor dx = linear.backward(dy, x);
        assertClose(y, rounded(x, byRow, true).mm(rounded(w, byRow, true).t()));
        assertClose(
                dx,
                rounded(dy, byRow, byRow).mm(byRow ? rounded(w.t(), true, true).t() : rounded(w, false, true)));
        Tensor dw =
                byRow ? wide(dy).t().mm(wide(x)) : rounded(dy, false, false).t().mm(rounded(x, false, true));
        assertClose(gradient(weight), dw);
        linear.backward(dy, x);
        assertClose(gradient(weight), dw.add(dw));
        gradient(weight).fill_(Scalars.of(Double.NaN));
        weight.clearGradient();
        linear.backward(dy, x);
        assertClose(gradient(weight), dw);
        weight.setValue(null);
    }

    @ParameterizedTest
    @EnumSource
    void linearsSideBySideAreOneProduct(Fp8Scaling scaling) {
        Parameter whole = trained(w);
        Linear one = new Linear(whole, null, null, scaling);
        Tensor gradients = HostTensors.zeros(ScalarType.Float, O, I);
        Parameter[] parts = parts(gradients);
        SideBySide together = new SideBySide(
                new Linear(parts[0], null, null, scaling),
                new Linear(parts[1], null, null, scaling),
                new Linear(parts[2], null, null, scaling));
        assertThat(together.forward(x, null, tape).equal(one.forward(x))).isTrue();
        assertThat(together.backward(dy, x, null, tape).equal(one.backward(dy, x)))
                .isTrue();
        assertThat(gradients.equal(gradient(whole))).isTrue();
        parts[1].clearGradient(); // the others are added to
        together.backward(dy, x, null, tape);
        assertThat(gradients
                        .narrow(0, 0, 32)
                        .equal(gradient(whole).narrow(0, 0, 32).mul(Scalars.of(2))))
                .isTrue();
        assertThat(gradients.narrow(0, 32, 16).equal(gradient(whole).narrow(0, 32, 16)))
                .isTrue();
        for (Parameter part : parts) {
            part.setValue(null);
        }
        whole.setValue(null);
    }

    @Test
    void aLinearThatIsLeftOutStandsBesideOthers() {
        Tensor gradients = HostTensors.zeros(ScalarType.Float, O, I);
        Parameter[] parts = parts(gradients);
        Linear[] linears = {
            new Linear(parts[0], null, null, Fp8Scaling.TENSOR),
            new Linear(parts[1], null),
            new Linear(parts[2], null, null, Fp8Scaling.TENSOR)
        };
        SideBySide mixed = new SideBySide(linears);
        Tensor[] ys = mixed.split(mixed.forward(x, null, tape));
        for (int i = 0; i < ys.length; i++) {
            assertThat(ys[i].equal(linears[i].forward(x))).isTrue();
        }
        assertThat(ys[1].equal(x.mm(parts[1].value().t()))).isTrue();
        mixed.backward(dy, x, null, tape);
        assertThat(gradients
                        .narrow(0, 32, 16)
                        .equal(dy.narrow(1, 32, 16).t().mm(x).to(ScalarType.Float)))
                .isTrue();
        for (Parameter part : parts) {
            part.setValue(null);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anAdapterIsAddedAndTrainedBesideAFrozenWeight(Fp8Scaling scaling) {
        Parameter frozen = new Parameter("weight", w, null);
        Linear base = new Linear(frozen, null, null, scaling);
        Tensor a = random(4, I);
        Tensor b = random(O, 4);
        Parameter[] down = {trained(a.clone()), trained(a.clone())};
        Parameter[] up = {trained(b.clone()), trained(b.clone())};
        Linear adapted = new Linear(frozen, null, new LowRank(down[0], up[0], 4, 0.5, 0), scaling);
        LowRank alone = new LowRank(down[1], up[1], 4, 0.5, 0);
        assertNear(adapted.forward(x), base.forward(x).add(raised(alone)));
        SideBySide merged = new SideBySide(adapted);
        assertNear(merged.forward(x, null, tape), adapted.forward(x));
        Tensor dx = adapted.backward(dy, x);
        Tensor dInner = alone.innerGradient(dy);
        alone.addToGradients(dy, dInner, x, alone.inner(x, null), null);
        assertNear(dx, base.backward(dy, x).add(alone.throughDown(dInner, null)));
        assertThat(gradient(down[0]).equal(gradient(down[1]))).isTrue();
        assertThat(gradient(up[0]).equal(gradient(up[1]))).isTrue();
        assertNear(merged.backward(dy, x, null, tape), dx);
        frozen.setValue(null);
    }

    @Test
    void aWeightBecomesFp8OnceUntilItsUnitSaysThatItChanged() {
        Parameter weight = trained(w);
        Linear linear = new Linear(weight, null, null, Fp8Scaling.TENSOR);
        Tensor y = linear.forward(x);
        w.mul_(Scalars.of(2));
        assertThat(linear.forward(x).equal(y)).isTrue();
        weight.valueChanged();
        assertThat(linear.forward(x).equal(y.mul(Scalars.of(2)))).isTrue();
        weight.setValue(null);
    }

    @Test
    void whatWasMadeOfAWeightGoesWithIt() {
        Parameter weight = trained(w);
        Linear linear = new Linear(weight, null, null, Fp8Scaling.TENSOR);
        long before = NativeMemory.liveReferences();
        try (TensorScope step = new TensorScope()) {
            linear.forward(x);
            linear.backward(dy, x);
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before + 5); // the largest, and two forms of two tensors
        weight.setValue(null);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    private Tensor raised(LowRank adapter) {
        Tensor y = torch.empty(new long[] {R, O}, x.options(), null);
        adapter.raise(adapter.inner(x, null), y);
        return y;
    }

    private Parameter[] parts(Tensor gradients) {
        Parameter[] parts = new Parameter[OUTPUTS.length];
        long from = 0;
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new Parameter("part " + i, w.narrow(0, from, OUTPUTS[i]), gradients.narrow(0, from, OUTPUTS[i]));
            from += OUTPUTS[i];
        }
        return parts;
    }

    private static Parameter trained(Tensor value) {
        return new Parameter("weight", value, HostTensors.zeros(ScalarType.Float, value.shape()));
    }

    private static Tensor gradient(Parameter parameter) {
        return Objects.requireNonNull(parameter.gradient());
    }

    /** Scaled in fp32, then rounded by the formula: to so many bits of mantissa, none of them below the smallest place. */
    private static Tensor rounded(Tensor given, boolean byRow, boolean e4m3) {
        Tensor x = given.to(ScalarType.Float);
        Tensor largest = byRow ? x.abs().amax(new long[] {1}, true) : x.abs().max();
        Tensor scale = torch.full_like(largest, Scalars.of(e4m3 ? 448 : 57_344)).div(largest);
        Tensor scaled = wide(x.mul(scale));
        Tensor exponent = scaled.abs()
                .clamp_min(Scalars.of(e4m3 ? 0x1p-6 : 0x1p-14))
                .log2()
                .floor();
        Tensor place = exponent.sub(Scalars.of(e4m3 ? 3 : 2)).exp2();
        return scaled.div(place).round().mul(place).div(wide(scale)); // round goes to the even one of two
    }

    private static Tensor wide(Tensor given) {
        return given.to(ScalarType.Double);
    }

    /** But for the rounding of sums and results. */
    private static void assertClose(Tensor actual, Tensor exact) {
        double scale = exact.abs().max().item_double();
        double error = wide(actual).sub(exact).abs().max().item_double();
        assertThat(error).isLessThan(scale * 0x1p-8);
        assertThat(scale).isPositive();
    }

    /** Sums in bf16 whose order differs. */
    private static void assertNear(Tensor actual, Tensor expected) {
        double scale = wide(expected).abs().max().item_double();
        assertThat(wide(actual).sub(wide(expected)).abs().max().item_double()).isLessThan(scale * 0x1p-6);
    }

    private static Tensor random(long... shape) {
        return torch.randn(shape).to(ScalarType.BFloat16);
    }
}
