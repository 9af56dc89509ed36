// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(ScopedTensors.class)
final class SamplerTest {
    private static final int DRAWS = 20_000;

    @Test
    void greedyTakesTheLikeliestAndOfEqualsTheFirst() {
        Sampler sampler = new Sampler(Sampling.GREEDY);
        assertThat(sampler.next(logits(0, 3, 1))).isEqualTo(1);
        assertThat(sampler.next(logits(0, 3, 1, 3, 3, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)))
                .isEqualTo(1);
        assertThat(sampler.next(logits(new float[4096]))).isZero();
    }

    @Test
    void frequenciesAreThoseOfTheSoftmax() {
        frequenciesAre(new Sampling(1, 0, 1, 1), softmax(1, 0.5, 2, -1, 0), 0.5, 2, -1, 0);
        frequenciesAre(new Sampling(0.5, 0, 1, 2), softmax(0.5, 0.5, 2, -1, 0), 0.5, 2, -1, 0);
        frequenciesAre(new Sampling(2, 0, 1, 3), softmax(2, 0.5, 2, -1, 0), 0.5, 2, -1, 0);
    }

    @Test
    void topKLeavesTheLikeliestAndTheirEquals() {
        frequenciesAre(
                new Sampling(1, 2, 1, 1), new double[] {0, 1 / (1 + Math.E), 0, Math.E / (1 + Math.E)}, 0, 1, -1, 2);
        frequenciesAre(new Sampling(1, 2, 1, 1), new double[] {0.25, 0.5, 0.25, 0}, 0, Math.log(2), 0, -1);
        frequenciesAre(new Sampling(1, 9, 1, 1), softmax(1, 0, 1), 0, 1);
    }

    @Test
    void topPLeavesTheFewestThatReachIt() {
        double[] logits = {Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)};
        frequenciesAre(new Sampling(1, 0, 0.75, 1), new double[] {0.625, 0.375, 0, 0}, logits);
        frequenciesAre(new Sampling(1, 0, 0.9, 1), new double[] {0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0}, logits);
        frequenciesAre(new Sampling(1, 0, 1e-9, 1), new double[] {1, 0, 0, 0}, logits);
    }

    @Test
    void topPIsTakenOfWhatTopKHasLeftAfterTheTemperature() {
        double[] logits = {Math.log(0.5) / 2, Math.log(0.3) / 2, Math.log(0.15) / 2, Math.log(0.05) / 2};
        // At temperature 1/2 the shares are as above; of the two likeliest, 0.625 reach 0.6.
        frequenciesAre(new Sampling(0.5, 2, 0.6, 1), new double[] {1, 0, 0, 0}, logits);
        frequenciesAre(new Sampling(0.5, 2, 0.7, 1), new double[] {0.625, 0.375, 0, 0}, logits);
    }

    @Test
    void aSeedRepeatsItsDraws() {
        Sampling sampling = new Sampling(1, 0, 1, 9);
        assertThat(draws(new Sampler(sampling))).isEqualTo(draws(new Sampler(sampling)));
        assertThat(draws(new Sampler(sampling))).isNotEqualTo(draws(new Sampler(new Sampling(1, 0, 1, 10))));
    }

    @Test
    void logitsThatAreNotFiniteAreRefused() {
        assertThatThrownBy(() -> new Sampler(Sampling.GREEDY).next(logits(0, Float.NaN)))
                .hasMessageContaining("not finite");
    }

    @Test
    void everySettingThatCannotBeIsNamed() {
        assertThatThrownBy(() -> new Sampling(-1, -2, 1.5, 0))
                .hasMessageContaining("temperature = -1.0: must be 0 or above")
                .hasMessageContaining("top-k = -2: must be 0, for all, or above")
                .hasMessageContaining("top-p = 1.5: must be above 0 and at most 1");
    }

    private static void frequenciesAre(Sampling sampling, double[] expected, double... logits) {
        float[] scores = new float[logits.length];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = (float) logits[i];
        }
        Sampler sampler = new Sampler(sampling);
        double[] frequencies = new double[scores.length];
        try (TensorScope each = new TensorScope()) {
            Tensor tensor = logits(scores);
            for (int i = 0; i < DRAWS; i++) {
                frequencies[(int) sampler.next(tensor)] += 1.0 / DRAWS;
            }
        }
        for (int i = 0; i < expected.length; i++) {
            double deviation = Math.sqrt(expected[i] * (1 - expected[i]) / DRAWS);
            assertThat(frequencies[i]).as("token %d", i).isCloseTo(expected[i], within(5 * deviation + 1e-9));
        }
    }

    private static double[] softmax(double temperature, double... logits) {
        double[] weights = Arrays.stream(logits)
                .map(logit -> Math.exp(logit / temperature))
                .toArray();
        double sum = Arrays.stream(weights).sum();
        return Arrays.stream(weights).map(weight -> weight / sum).toArray();
    }

    private static long[] draws(Sampler sampler) {
        long[] draws = new long[50];
        Arrays.setAll(draws, i -> sampler.next(logits(0, 0, 0, 0)));
        return draws;
    }

    private static Tensor logits(float... logits) {
        Tensor tensor = HostTensors.empty(ScalarType.Float, logits.length);
        tensor.<FloatBuffer>createBuffer().put(logits);
        return tensor;
    }
}
