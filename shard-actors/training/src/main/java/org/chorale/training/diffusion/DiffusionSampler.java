// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import java.util.stream.LongStream;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.KeyedRandom;

/**
 * Draws examples from noise, timestep by timestep. From x<sub>t</sub> and what the model predicts of it come x₀ and ε, and
 * of these the less noisy x<sub>s</sub> (Song et al. 2021, arXiv 2010.02502, equations 12 and 16):
 *
 * <pre>
 * σ² = η² (1 − ᾱ<sub>s</sub>) / (1 − ᾱ<sub>t</sub>) · (1 − ᾱ<sub>t</sub> / ᾱ<sub>s</sub>)
 * x<sub>s</sub> = √ᾱ<sub>s</sub> x₀ + √(1 − ᾱ<sub>s</sub> − σ²) ε + σ z
 * </pre>
 *
 * <p>η = 1 over every timestep is ancestral sampling with the posterior's variance (DDPM, Ho et al. 2020); η = 0 draws
 * nothing on the way and takes as few timesteps as one likes (DDIM).
 */
public final class DiffusionSampler {
    /** In the place of a timestep, for the noise that drawing begins with. */
    private static final long BEGIN = -1;

    private final NoiseSchedule schedule;
    private final Prediction prediction;
    private final int steps;
    private final double eta;
    private final double[] cumulativeAlphas;

    /** A trained model. */
    @FunctionalInterface
    public interface Denoiser {
        /**
         * Predicts what it was trained to predict.
         *
         * @param noisy x<sub>t</sub>, [B, …] fp32
         * @param timesteps [B] int64, all the same
         */
        Tensor predict(Tensor noisy, Tensor timesteps);
    }

    private DiffusionSampler(NoiseSchedule schedule, Prediction prediction, int steps, double eta) {
        this.schedule = schedule;
        this.prediction = prediction;
        this.steps = steps;
        this.eta = eta;
        this.cumulativeAlphas = schedule.cumulativeAlphas();
    }

    /** Ancestral sampling, over every timestep of the schedule. */
    public static DiffusionSampler ddpm(NoiseSchedule schedule, Prediction prediction) {
        return new DiffusionSampler(schedule, prediction, schedule.timesteps(), 1);
    }

    /**
     * Without noise on the way, over a few timesteps that end with the last one.
     *
     * @param steps at most as many as the schedule has timesteps
     */
    public static DiffusionSampler ddim(NoiseSchedule schedule, Prediction prediction, int steps) {
        if (steps < 1 || steps > schedule.timesteps()) {
            throw new IllegalArgumentException(
                    "%d steps: must be 1 to %d, the schedule's timesteps".formatted(steps, schedule.timesteps()));
        }
        return new DiffusionSampler(schedule, prediction, steps, 0);
    }

    /**
     * Draws examples; the same for the same seed, each whatever is drawn beside it.
     *
     * @param shape [B, …]
     * @return fp32
     */
    public Tensor draw(Denoiser denoiser, long seed, Device device, long... shape) {
        long[] samples = LongStream.range(0, shape[0]).toArray();
        try (TensorScope scope = new TensorScope();
                AutoGradMode off = new AutoGradMode(false)) {
            Tensor x = noise(seed, device, shape);
            for (int step = steps; step > 0; step--) {
                try (TensorScope inner = new TensorScope()) {
                    int from = timestep(step);
                    int to = timestep(step - 1);
                    Tensor drawn = lessNoisy(denoiser, x, from, to);
                    double deviation = deviation(from, to);
                    x.copy_(
                            deviation == 0
                                    ? drawn
                                    : drawn.add(noise(seed, from, samples, device, shape)
                                            .mul(new Scalar(deviation))));
                }
            }
            return scope.keep(x);
        }
    }

    /** What drawing with a seed begins with. */
    public static Tensor noise(long seed, Device device, long... shape) {
        return noise(seed, BEGIN, LongStream.range(0, shape[0]).toArray(), device, shape);
    }

    /** The timestep of a step, of which 1 is the last to be done; −1 is no noise. */
    private int timestep(int step) {
        return (int) ((long) schedule.timesteps() * step / steps) - 1;
    }

    /** √ᾱ x₀ + √(1 − ᾱ − σ²) ε, with ᾱ of the timestep {@code to}. */
    private Tensor lessNoisy(Denoiser denoiser, Tensor x, int from, int to) {
        long[] timesteps = LongStream.generate(() -> from).limit(x.size(0)).toArray();
        Tensor t = Device.of(x).ofLongs(timesteps, x.size(0));
        Tensor predicted = denoiser.predict(x, t);
        NoiseLevel level = schedule.at(t, x);
        Tensor example = prediction.example(x, predicted, level);
        Tensor noise = prediction.noise(x, predicted, level);
        double deviation = deviation(from, to);
        double alpha = cumulativeAlpha(to);
        double left = Math.max(0, 1 - alpha - deviation * deviation); // rounding may leave −1e−17
        return example.mul(new Scalar(Math.sqrt(alpha))).add(noise.mul(new Scalar(Math.sqrt(left))));
    }

    /** σ. */
    private double deviation(int from, int to) {
        double before = cumulativeAlpha(from);
        double after = cumulativeAlpha(to);
        return eta * Math.sqrt((1 - after) / (1 - before) * (1 - before / after));
    }

    private double cumulativeAlpha(int timestep) {
        return timestep < 0 ? 1 : cumulativeAlphas[timestep];
    }

    private static Tensor noise(long seed, long t, long[] samples, Device device, long... shape) {
        return new KeyedRandom(seed, t, samples, "diffusion", device).normal(shape);
    }
}
