// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.ComponentConfig;

/**
 * How much noise each timestep adds: β<sub>t</sub>, α<sub>t</sub> = 1 − β<sub>t</sub>, and ᾱ<sub>t</sub>, the product of
 * α₀ to α<sub>t</sub>; in fp64. Each β is held between 0.0001 and 0.9999, as Ditty's scheduler has it.
 */
public final class NoiseSchedule {
    private static final int MAX_TIMESTEPS = 100_000;
    private static final double MAX_RESCALE = 100;

    private static final double MIN_BETA = 1e-4;
    private static final double MAX_BETA = 0.9999;

    /** s of Nichol and Dhariwal's equation 17, which keeps the first β from being too small. */
    private static final double COSINE_OFFSET = 0.008;

    /** Of the cosine schedule before it is rescaled: its last β would be 1. */
    private static final double MAX_COSINE_BETA = 0.999;

    private static final String TYPE = "type";
    private static final String TIMESTEPS = "timesteps";
    private static final String BETA_START = "beta-start";
    private static final String BETA_END = "beta-end";
    private static final String RESCALE = "rescale";

    private final Config config;
    private final double[] betas;
    private final double[] cumulativeAlphas;

    private NoiseSchedule(Config config, double[] unbounded) {
        this.config = config;
        this.betas = Arrays.stream(unbounded)
                .map(beta -> Math.min(MAX_BETA, Math.max(MIN_BETA, beta)))
                .toArray();
        this.cumulativeAlphas = alphas();
        for (int t = 1; t < betas.length; t++) {
            cumulativeAlphas[t] *= cumulativeAlphas[t - 1];
        }
        if (Math.sqrt(cumulativeAlphas[betas.length - 1]) < Float.MIN_NORMAL) {
            throw new IllegalArgumentException(
                    "the schedule leaves nothing of an example that fp32 could hold; give fewer timesteps or smaller betas");
        }
    }

    /**
     * Reads {@code type}, linear or cosine, {@code timesteps}, and of a linear one {@code beta-start} and {@code beta-end}
     * (0.0001 and 0.02 where they are missing), of a cosine one {@code rescale} (1 where it is missing).
     *
     * @throws IllegalArgumentException with what is wrong
     */
    public static NoiseSchedule of(Config config) {
        String type = config.getString(TYPE);
        int timesteps = config.getInt(TIMESTEPS);
        switch (type) {
            case "linear" -> {
                ComponentConfig.refuseOtherKeys(config, Set.of(TYPE, TIMESTEPS, BETA_START, BETA_END));
                return linear(timesteps, number(config, BETA_START, 1e-4), number(config, BETA_END, 0.02));
            }
            case "cosine" -> {
                ComponentConfig.refuseOtherKeys(config, Set.of(TYPE, TIMESTEPS, RESCALE));
                return cosine(timesteps, number(config, RESCALE, 1));
            }
            default -> throw new IllegalArgumentException(TYPE + " = " + type + ": must be linear or cosine");
        }
    }

    private static double number(Config config, String key, double otherwise) {
        return config.hasPath(key) ? config.getDouble(key) : otherwise;
    }

    /**
     * β evenly from one value to another (Ho et al. 2020).
     *
     * @param timesteps T
     */
    public static NoiseSchedule linear(int timesteps, double betaStart, double betaEnd) {
        List<String> problems = problems(timesteps);
        if (!(betaStart > 0 && betaStart <= betaEnd && betaEnd < 1)) {
            problems.add("%s = %s with %s = %s: must be above 0, below 1, and the end not below the start"
                    .formatted(BETA_START, betaStart, BETA_END, betaEnd));
        }
        refuse(problems);
        double stride = timesteps == 1 ? 0 : (betaEnd - betaStart) / (timesteps - 1);
        Config config = ConfigFactory.parseMap(
                Map.of(TYPE, "linear", TIMESTEPS, timesteps, BETA_START, betaStart, BETA_END, betaEnd));
        return new NoiseSchedule(
                config,
                IntStream.range(0, timesteps)
                        .mapToDouble(t -> betaStart + t * stride)
                        .toArray());
    }

    /**
     * ᾱ<sub>t</sub> follows cos²((t / T + s) / (1 + s) · π / 2), with s = 0.008 (Nichol and Dhariwal 2021, arXiv 2102.09672,
     * equation 17). Ditty's rescale factor F then multiplies each β by F²: below 1, there is less noise everywhere.
     *
     * @param timesteps T
     * @param rescale F; 1 for the schedule as it was published
     */
    public static NoiseSchedule cosine(int timesteps, double rescale) {
        List<String> problems = problems(timesteps);
        if (!(rescale > 0 && rescale <= MAX_RESCALE)) {
            problems.add("%s = %s: must be above 0 and at most %s".formatted(RESCALE, rescale, MAX_RESCALE));
        }
        refuse(problems);
        Config config = ConfigFactory.parseMap(Map.of(TYPE, "cosine", TIMESTEPS, timesteps, RESCALE, rescale));
        return new NoiseSchedule(
                config,
                IntStream.range(0, timesteps)
                        .mapToDouble(t -> 1 - squaredCosine(t + 1.0, timesteps) / squaredCosine(t, timesteps))
                        .map(beta -> Math.min(MAX_COSINE_BETA, beta) * rescale * rescale)
                        .toArray());
    }

    private static double squaredCosine(double t, int timesteps) {
        double root = StrictMath.cos((t / timesteps + COSINE_OFFSET) / (1 + COSINE_OFFSET) * Math.PI / 2);
        return root * root;
    }

    private static List<String> problems(int timesteps) {
        List<String> problems = new ArrayList<>();
        if (timesteps < 1 || timesteps > MAX_TIMESTEPS) {
            problems.add("%s = %d: must be 1 to %d".formatted(TIMESTEPS, timesteps, MAX_TIMESTEPS));
        }
        return problems;
    }

    private static void refuse(List<String> problems) {
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
    }

    /** What {@link #of} makes this of. */
    public Config config() {
        return config;
    }

    /** T. */
    public int timesteps() {
        return betas.length;
    }

    /** β of each timestep. */
    public double[] betas() {
        return betas.clone();
    }

    /** α = 1 − β of each timestep. */
    public double[] alphas() {
        return Arrays.stream(betas).map(beta -> 1 - beta).toArray();
    }

    /** ᾱ of each timestep. */
    public double[] cumulativeAlphas() {
        return cumulativeAlphas.clone();
    }

    /** The shares of signal and noise at the timestep of each example. */
    NoiseLevel at(Tensor timesteps, Tensor examples) {
        return NoiseLevel.of(lookUp(cumulativeAlphas, timesteps), examples);
    }

    /** ᾱ / (1 − ᾱ), the signal-to-noise ratio, at the timestep of each example; fp64 [B]. */
    Tensor signalToNoise(Tensor timesteps) {
        double[] ratios = Arrays.stream(cumulativeAlphas)
                .map(alpha -> alpha / (1 - alpha))
                .toArray();
        return lookUp(ratios, timesteps);
    }

    private static Tensor lookUp(double[] table, Tensor timesteps) {
        try (TensorScope scope = new TensorScope()) {
            Tensor values = Device.of(timesteps).ofDoubles(table, table.length);
            return scope.keep(values.index_select(0, timesteps.to(ScalarType.Long)));
        }
    }
}
