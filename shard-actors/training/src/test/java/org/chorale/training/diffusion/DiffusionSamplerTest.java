// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.LongStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.diffusion.DiffusionSampler.Denoiser;
import org.chorale.training.pipeline.KeyedRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Examples from N(3, 0.5²), of which the best prediction is known in closed form. */
final class DiffusionSamplerTest {
    private static final double MEAN = 3;
    private static final double VARIANCE = 0.25;
    private static final NoiseSchedule SCHEDULE = NoiseSchedule.cosine(100, 0.9);

    @ParameterizedTest
    @EnumSource
    void ancestralSamplingDrawsFromTheDistribution(Prediction prediction) {
        drawsFromTheDistribution(DiffusionSampler.ddpm(SCHEDULE, prediction), prediction);
    }

    @ParameterizedTest
    @EnumSource
    void fewStepsWithoutNoiseDrawFromTheDistribution(Prediction prediction) {
        drawsFromTheDistribution(DiffusionSampler.ddim(SCHEDULE, prediction, 50), prediction);
    }

    private static void drawsFromTheDistribution(DiffusionSampler sampler, Prediction prediction) {
        try (TensorScope scope = new TensorScope()) {
            Tensor drawn = sampler.draw(best(prediction), 1, Device.CPU, 40, 100);

            assertThat(drawn.mean().item_double()).isCloseTo(MEAN, within(0.05));
            assertThat(drawn.var(true).item_double()).isCloseTo(VARIANCE, within(0.05));
        }
    }

    /** Ho et al. 2020, algorithm 2 with the posterior's variance, written down as it is there. */
    @Test
    void ancestralSamplingIsAlgorithmTwo() {
        Denoiser denoiser = best(Prediction.EPSILON);
        try (TensorScope scope = new TensorScope()) {
            Tensor x = DiffusionSampler.noise(1, Device.CPU, 8, 2);
            for (int t = SCHEDULE.timesteps() - 1; t >= 0; t--) {
                double beta = SCHEDULE.betas()[t];
                double alpha = SCHEDULE.cumulativeAlphas()[t];
                double before = t == 0 ? 1 : SCHEDULE.cumulativeAlphas()[t - 1];
                Tensor noise = denoiser.predict(x, timesteps(t, 8));
                Tensor mean = x.sub(noise.mul(new Scalar(beta / Math.sqrt(1 - alpha))))
                        .div(new Scalar(Math.sqrt(1 - beta)));
                x = mean.add(normal(t).mul(new Scalar(Math.sqrt((1 - before) / (1 - alpha) * beta))));
            }
            Tensor drawn = DiffusionSampler.ddpm(SCHEDULE, Prediction.EPSILON).draw(denoiser, 1, Device.CPU, 8, 2);

            assertThat(drawn.sub(x).abs().max().item_double()).isLessThan(1e-4);
        }
    }

    @Test
    void theSameSeedDrawsTheSameWhateverIsDrawnBeside() {
        DiffusionSampler sampler = DiffusionSampler.ddpm(SCHEDULE, Prediction.V);
        try (TensorScope scope = new TensorScope()) {
            Tensor many = sampler.draw(best(Prediction.V), 5, Device.CPU, 6, 2);
            Tensor few = sampler.draw(best(Prediction.V), 5, Device.CPU, 4, 2);

            assertThat(few.equal(many.narrow(0, 0, 4))).isTrue();
            assertThat(sampler.draw(best(Prediction.V), 6, Device.CPU, 4, 2).equal(few))
                    .isFalse();
        }
    }

    @Test
    void whatIsLeftBehindIsTheExamplesAlone() {
        try (TensorScope scope = new TensorScope()) {
            Tensor drawn = DiffusionSampler.ddim(SCHEDULE, Prediction.X0, 10)
                    .draw((noisy, t) -> noisy.mul(new Scalar(0)).add(new Scalar(7)), 1, Device.CPU, 3, 2);

            assertThat(drawn.eq(new Scalar(7)).all().item_bool()).isTrue();
            assertThatThrownBy(() -> DiffusionSampler.ddim(SCHEDULE, Prediction.X0, 101))
                    .hasMessage("101 steps: must be 1 to 100, the schedule's timesteps");
        }
    }

    /** E[x₀ | x] = μ + √ᾱ σ² / (ᾱ σ² + 1 − ᾱ) (x − √ᾱ μ), as this prediction says it. */
    private static Denoiser best(Prediction prediction) {
        return (noisy, t) -> {
            double alpha = SCHEDULE.cumulativeAlphas()[(int) t.select(0, 0).item_long()];
            double share = Math.sqrt(alpha) * VARIANCE / (alpha * VARIANCE + 1 - alpha);
            Tensor example = noisy.sub(new Scalar(Math.sqrt(alpha) * MEAN))
                    .mul(new Scalar(share))
                    .add(new Scalar(MEAN));
            NoiseLevel level = SCHEDULE.at(t, noisy);
            Tensor noise = Prediction.X0.noise(noisy, example, level);
            return prediction.target(example, noise, level);
        };
    }

    private static Tensor timesteps(long t, int rows) {
        return Device.CPU.ofLongs(LongStream.generate(() -> t).limit(rows).toArray(), rows);
    }

    private static Tensor normal(long t) {
        return new KeyedRandom(1, t, LongStream.range(0, 8).toArray(), "diffusion", Device.CPU).normal(8, 2);
    }
}
