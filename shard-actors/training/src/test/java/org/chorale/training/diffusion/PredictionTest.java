// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is predicted of a noisy example, in fp64. */
final class PredictionTest {
    private static final NoiseSchedule SCHEDULE = NoiseSchedule.linear(3, 0.1, 0.3);

    @ParameterizedTest
    @EnumSource
    void exampleAndNoiseAreRecoveredFromTheTarget(Prediction prediction) {
        try (TensorScope scope = new TensorScope()) {
            torch.manual_seed(3);
            Tensor example = torch.randn(new long[] {6, 4, 5}, new TensorOptions(ScalarType.Double));
            Tensor noise = torch.randn(new long[] {6, 4, 5}, new TensorOptions(ScalarType.Double));
            NoiseLevel level = SCHEDULE.at(HostTensors.ofLongs(new long[] {0, 1, 2, 2, 1, 0}, 6), example);
            Tensor noisy = level.mix(example, noise);
            Tensor target = prediction.target(example, noise, level);

            assertThat(distance(prediction.example(noisy, target, level), example))
                    .isLessThan(1e-12);
            assertThat(distance(prediction.noise(noisy, target, level), noise)).isLessThan(1e-12);
        }
    }

    /** x₀ = 2, ε = 3, ᾱ = 0.72. */
    @Test
    void targetsAreWhatOneComputesByHand() {
        try (TensorScope scope = new TensorScope()) {
            Tensor example = HostTensors.ofDoubles(new double[] {2}, 1);
            Tensor noise = HostTensors.ofDoubles(new double[] {3}, 1);
            NoiseLevel level = SCHEDULE.at(HostTensors.ofLongs(new long[] {1}, 1), example);

            assertThat(level.mix(example, noise).item_double())
                    .isCloseTo(2 * Math.sqrt(0.72) + 3 * Math.sqrt(0.28), within(1e-14));
            assertThat(Prediction.EPSILON.target(example, noise, level).item_double())
                    .isEqualTo(3);
            assertThat(Prediction.X0.target(example, noise, level).item_double())
                    .isEqualTo(2);
            assertThat(Prediction.V.target(example, noise, level).item_double())
                    .isCloseTo(3 * Math.sqrt(0.72) - 2 * Math.sqrt(0.28), within(1e-14));
        }
    }

    /** SNR = 9 at ᾱ = 0.9, 18/7 at 0.72; γ = 5. */
    @Test
    void minSnrWeightsAreThePublishedOnes() {
        try (TensorScope scope = new TensorScope()) {
            Tensor ratio = SCHEDULE.signalToNoise(HostTensors.ofLongs(new long[] {0, 1}, 2));

            assertThat(weights(Prediction.EPSILON, ratio)).containsExactly(new double[] {5 / 9.0, 1}, within(1e-13));
            assertThat(weights(Prediction.X0, ratio)).containsExactly(new double[] {5, 18 / 7.0}, within(1e-13));
            assertThat(weights(Prediction.V, ratio)).containsExactly(new double[] {0.5, 18 / 25.0}, within(1e-13));
        }
    }

    @Test
    void anUnknownPredictionIsToldWhatThereIs() {
        assertThat(Prediction.of("v")).isEqualTo(Prediction.V);
        assertThatThrownBy(() -> Prediction.of("eps"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("prediction = eps: must be one of epsilon, x0, v");
    }

    private static double[] weights(Prediction prediction, Tensor ratio) {
        Tensor weights = prediction.minSnrWeight(ratio, 5);
        return new double[] {
            weights.select(0, 0).item_double(), weights.select(0, 1).item_double()
        };
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
