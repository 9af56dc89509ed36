// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class AdamTwinTest {
    private static final AdamRule ADAMW = new AdamRule(0.9, 0.999, 1e-8, 0.1, false);
    private static final double RATE = 1e-2;
    private static final double HALF_ULP_OF_BF16 = 1.0 / 256;

    /** Half of the last place is what one rounding costs; a second one would show. */
    @ParameterizedTest
    @CsvSource({"Float", "BFloat16"})
    void bf16WeightsAndMomentsAreMovedInFp32AndRoundedOnce(ScalarType ofGradients) {
        try (TensorScope scope = new TensorScope()) {
            torch.manual_seed(5);
            AdamRun run = random(1_000, ScalarType.BFloat16, ofGradients);
            AdamRun wide = new AdamRun(
                    run.weights().to(ScalarType.Double),
                    run.gradients().to(ScalarType.Double),
                    run.firstMoments().to(ScalarType.Double),
                    run.secondMoments().to(ScalarType.Double),
                    null);

            new AdamTwin(ADAMW).step(List.of(run), RATE, number(3), number(4), number(0));

            Tensor g = wide.gradients().div(Scalars.of(4));
            Tensor m = wide.firstMoments().mul(Scalars.of(0.9)).add(g.mul(Scalars.of(0.1)));
            Tensor v =
                    wide.secondMoments().mul(Scalars.of(0.999)).add(g.square().mul(Scalars.of(0.001)));
            Tensor root = v.div(Scalars.of(1 - Math.pow(0.999, 3))).sqrt_().add_(Scalars.of(1e-8));
            Tensor moved = m.div(root).mul_(Scalars.of(RATE / (1 - Math.pow(0.9, 3))));
            Tensor w = wide.weights().mul(Scalars.of(1 - RATE * 0.1)).sub(moved);
            assertThat(error(run.weights(), w))
                    .isLessThan(1.01 * HALF_ULP_OF_BF16)
                    .isPositive();
            assertThat(error(run.firstMoments(), m)).isLessThan(1.01 * HALF_ULP_OF_BF16);
            assertThat(error(run.secondMoments(), v)).isLessThan(1.01 * HALF_ULP_OF_BF16);
        }
    }

    @Test
    void whatIsNotFiniteTouchesNoBitOfBf16() {
        try (TensorScope scope = new TensorScope()) {
            AdamRun run = random(100, ScalarType.BFloat16, ScalarType.Float);
            List<Tensor> state = List.of(run.weights(), run.firstMoments(), run.secondMoments());
            List<Tensor> before = state.stream().map(torch::clone).toList();
            run.gradients().fill_(Scalars.of(Double.NaN));

            new AdamTwin(ADAMW).step(List.of(run), RATE, number(3), number(Float.NaN), number(1));

            for (int i = 0; i < state.size(); i++) {
                assertThat(state.get(i).equal(before.get(i))).isTrue();
            }
        }
    }

    @Test
    void everySliceOfALongRunIsMovedAlike() {
        try (TensorScope scope = new TensorScope()) {
            long elements = AdamTwin.SLICE_ELEMENTS + 3;
            AdamRun run = new AdamRun(
                    HostTensors.zeros(ScalarType.BFloat16, elements),
                    HostTensors.zeros(ScalarType.BFloat16, elements).fill_(Scalars.of(1)),
                    HostTensors.zeros(ScalarType.BFloat16, elements),
                    HostTensors.zeros(ScalarType.BFloat16, elements),
                    null);

            new AdamTwin(ADAMW).step(List.of(run), RATE, number(1), number(1), number(0));

            assertThat(run.weights().max().item_float())
                    .isEqualTo(run.weights().min().item_float())
                    .isNegative();
        }
    }

    private static AdamRun random(long elements, ScalarType type, ScalarType ofGradients) {
        return new AdamRun(
                HostTensors.empty(type, elements).normal_(),
                HostTensors.empty(ofGradients, elements).normal_(),
                HostTensors.empty(type, elements).normal_(),
                HostTensors.empty(type, elements).normal_().square_(),
                null);
    }

    /** The largest, as a share of what is expected, beside zero of a hundredth. */
    private static double error(Tensor actual, Tensor expected) {
        Tensor size = expected.abs().clamp_min_(Scalars.of(1e-2));
        return actual.to(ScalarType.Double)
                .sub(expected)
                .abs_()
                .div_(size)
                .max()
                .item_double();
    }

    private static Tensor number(double value) {
        return HostTensors.zeros(ScalarType.Float, 1).fill_(Scalars.of(value));
    }
}
