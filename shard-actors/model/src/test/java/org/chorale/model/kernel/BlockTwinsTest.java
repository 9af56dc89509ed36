// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.model.kernel.RmsNormKernel.Normed;
import org.chorale.model.kernel.RmsNormKernel.Weighting;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What a backward computes again is what the forward had, bit for bit, and what is fused is what its parts are. */
@ExtendWith(ScopedTensors.class)
final class BlockTwinsTest {
    private static final double EPSILON = 1e-5;

    enum Type {
        FP64(ScalarType.Double, 1e-14),
        FP32(ScalarType.Float, 1e-6),
        BF16(ScalarType.BFloat16, 0.02),
        FP16(ScalarType.Half, 0.002);

        private final ScalarType scalar;
        private final double tolerance;

        Type(ScalarType scalar, double tolerance) {
            this.scalar = scalar;
            this.tolerance = tolerance;
        }
    }

    static List<Arguments> norms() {
        return Stream.of(Type.values())
                .flatMap(type -> Stream.of(Weighting.values()).map(weighting -> Arguments.of(type, weighting)))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("norms")
    void aNormOfASumLeavesTheSum(Type type, Weighting weighting) {
        Tensor sum = random(type, 5, 12);
        Tensor addend = random(type, 5, 12);
        Tensor weight = random(type, 12);
        Tensor expected = sum.add(addend);
        RmsNormKernel kernel = RmsNormKernel.of(sum, weight, weighting);
        Normed normed = kernel.addAndForward(sum, addend, weight, EPSILON);
        assertThat(sum.equal(expected)).isTrue();
        assertThat(normed.rows().equal(kernel.forward(expected, weight, EPSILON).rows()))
                .isTrue();
    }

    @ParameterizedTest
    @MethodSource("norms")
    void aResidualIsAddedToANormsGradientAndTheWeightMayBeFrozen(Type type, Weighting weighting) {
        Tensor x = random(type, 5, 12);
        Tensor dy = random(type, 5, 12);
        Tensor residual = random(type, 5, 12);
        Tensor weight = random(type, 12);
        RmsNormKernel kernel = RmsNormKernel.of(x, weight, weighting);
        Tensor scale = kernel.forward(x, weight, EPSILON).scale();
        Tensor gradient = HostTensors.zeros(ScalarType.Float, 12);
        Tensor alone = kernel.backward(dy, x, scale, weight, null, gradient);
        Tensor with = kernel.backward(dy, x, scale, weight, residual, null);
        assertThat(gradient.abs().min().item_double()).isPositive();
        assertClose(with, alone.add(residual), type);
    }

    @Test
    void whatIsAddedToOneIsRoundedAfterTheProductAlone() {
        Tensor x = random(Type.BF16, 64, 12);
        Tensor weight = random(Type.BF16, 12).div(Scalars.of(64));
        Normed normed = RmsNormKernel.of(x, weight, Weighting.FROM_ONE).forward(x, weight, EPSILON);
        Tensor normalised = x.to(ScalarType.Float).mul(normed.scale());
        Tensor factor = weight.to(ScalarType.Float).add(Scalars.of(1));
        assertThat(normed.rows().equal(normalised.mul(factor).to(type(x)))).isTrue();
        assertThat(normed.rows().equal(normalised.to(type(x)).mul(factor).to(type(x))))
                .as("x̂ rounded, too")
                .isFalse();
        assertThat(normed.rows().equal(normalised.mul(factor.to(type(x))).to(type(x))))
                .as("1 + w rounded, too")
                .isFalse();
    }

    private static ScalarType type(Tensor x) {
        return x.scalar_type().intern();
    }

    @ParameterizedTest
    @EnumSource
    void headsTurnBackToWhereTheyWereAndLieSideBySide(Type type) {
        Tensor q = random(type, 2, 3, 4, 8);
        Tensor product = random(type, 2, 3, 6, 8);
        Tensor k = product.narrow(2, 1, 2); // a part of a wider product, whose rest stays as it is
        Tensor angles = torch.randn(3, 1, 4).to(ScalarType.Double);
        Tensor cosine = angles.cos().to(type.scalar);
        Tensor sine = angles.sin().to(type.scalar);
        Tensor before = product.clone();
        Tensor queries = q.clone();
        RotaryKernel kernel = RotaryKernel.of(q, k, cosine, sine);
        kernel.turn(q, k, cosine, sine);
        assertThat(q.equal(queries)).isFalse();
        assertThat(product.narrow(2, 0, 1).equal(before.narrow(2, 0, 1))).isTrue();
        assertThat(product.narrow(2, 3, 3).equal(before.narrow(2, 3, 3))).isTrue();
        Tensor values = product.narrow(2, 4, 2);
        Tensor joined = kernel.joinTurnedBack(q, k, values, cosine, sine).view(2, 3, 8, 8);
        assertClose(joined.narrow(2, 0, 4), queries, type);
        assertClose(joined.narrow(2, 4, 2), before.narrow(2, 1, 2), type);
        assertThat(joined.narrow(2, 6, 2).equal(values)).isTrue();
    }

    static List<Arguments> curves() {
        return Stream.of(Type.values())
                .flatMap(type -> Stream.of(Curve.values()).map(curve -> Arguments.of(type, curve)))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("curves")
    void aGatedBackwardGivesTheForwardAgain(Type type, Curve curve) {
        Tensor product = random(type, 5, 24);
        Tensor gate = product.narrow(1, 0, 12);
        Tensor up = product.narrow(1, 12, 12);
        GluKernel kernel = GluKernel.of(curve, gate, up);
        Tensor inner = kernel.forward(gate, up);
        Tensor before = product.clone();
        assertThat(kernel.backward(random(type, 5, 12), gate, up).equal(inner)).isTrue();
        assertThat(product.equal(before))
                .as("the gradients lie where gate and up lay")
                .isFalse();
    }

    private static void assertClose(Tensor actual, Tensor expected, Type type) {
        double scale = Math.max(1, expected.abs().max().item_double());
        assertThat(actual.sub(expected).abs().max().item_double()).isLessThan(scale * type.tolerance);
    }

    private static Tensor random(Type type, long... shape) {
        return torch.randn(shape).to(type.scalar);
    }
}
