// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.KeyedRandom;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.PreProcessor;

/**
 * Puts noise into a tensor: x₀ becomes x<sub>t</sub> at a timestep drawn for each example, and {@code t} and the target of
 * the prediction go into the context. Noise and timestep depend on seed, step and sample alone, so that however many
 * workers there are and however often a run is resumed, an example gets the same ones; in an evaluation, always.
 *
 * <p>Its configuration: {@code tensor}, the name of x₀ and of x<sub>t</sub> after it; {@code rank} of that tensor, 2 where
 * it is missing; {@code schedule}, as {@link NoiseSchedule#of} reads it; {@code prediction}, epsilon, x0 or v; and, where
 * {@link SnrWeightedLoss} is to weigh timesteps, {@code min-snr-gamma}.
 */
public final class NoisingPreProcessor implements PreProcessor {
    /** In the context, [B] int64: the timestep of each example, from 0. */
    public static final String TIMESTEP = "t";

    /** In the context, [B] fp32, where {@code min-snr-gamma} is set: the weight of each example's loss. */
    public static final String WEIGHT = "snr_weight";

    private static final String TENSOR = "tensor";
    private static final String RANK = "rank";
    private static final String SCHEDULE = "schedule";
    private static final String PREDICTION = "prediction";
    private static final String GAMMA = "min-snr-gamma";

    private final String tensor;
    private final int rank;
    private final NoiseSchedule schedule;
    private final Prediction prediction;
    private final OptionalDouble gamma;

    /**
     * All timesteps' losses weigh the same.
     *
     * @param tensor its name
     * @param rank its dimensions, the examples' included
     */
    public NoisingPreProcessor(String tensor, int rank, NoiseSchedule schedule, Prediction prediction) {
        this(tensor, rank, schedule, prediction, OptionalDouble.empty());
    }

    public NoisingPreProcessor(Config config) {
        this(
                config.getString(TENSOR),
                config.hasPath(RANK) ? config.getInt(RANK) : 2,
                NoiseSchedule.of(config.getConfig(SCHEDULE)),
                Prediction.of(config.getString(PREDICTION)),
                config.hasPath(GAMMA) ? OptionalDouble.of(config.getDouble(GAMMA)) : OptionalDouble.empty());
        ComponentConfig.refuseOtherKeys(config, Set.of(TENSOR, RANK, SCHEDULE, PREDICTION, GAMMA));
    }

    private NoisingPreProcessor(
            String tensor, int rank, NoiseSchedule schedule, Prediction prediction, OptionalDouble gamma) {
        if (rank < 1) {
            throw new IllegalArgumentException(RANK + " = " + rank + ": must be at least 1, the examples");
        }
        if (gamma.isPresent() && !(gamma.getAsDouble() > 0 && Double.isFinite(gamma.getAsDouble()))) {
            throw new IllegalArgumentException(GAMMA + " = " + gamma.getAsDouble() + ": must be above 0; 5 is usual");
        }
        this.tensor = tensor;
        this.rank = rank;
        this.schedule = schedule;
        this.prediction = prediction;
        this.gamma = gamma;
    }

    /** The same, with weights for {@link SnrWeightedLoss} in the context. */
    public NoisingPreProcessor minSnrGamma(double value) {
        return new NoisingPreProcessor(tensor, rank, schedule, prediction, OptionalDouble.of(value));
    }

    @Override
    public String contract() {
        String weight = gamma.isPresent() ? ", ctx.%s:1:f32".formatted(WEIGHT) : "";
        return "%1$s:%2$d:f -> %1$s:%2$d:f | ctx.%3$s:1:i64, ctx.%4$s:%2$d:f%5$s"
                .formatted(tensor, rank, TIMESTEP, Context.TARGET, weight);
    }

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        Tensor example = inFp32(batch.get(tensor)); // [B, …]
        Tensor t = random(context, TIMESTEP).below(schedule.timesteps(), example.size(0)); // [B]
        Tensor noise = random(context, "noise").normal(example.shape()).to(example.scalar_type());
        NoiseLevel level = schedule.at(t, example);
        context.put(TIMESTEP, t);
        context.put(Context.TARGET, prediction.target(example, noise, level));
        if (gamma.isPresent()) {
            Tensor weight = prediction.minSnrWeight(schedule.signalToNoise(t), gamma.getAsDouble());
            context.put(WEIGHT, weight.to(ScalarType.Float));
        }
        return batch.with(tensor, level.mix(example, noise));
    }

    private KeyedRandom random(Context context, String purpose) {
        return context.random("%s.%s.%s".formatted(name(), tensor, purpose));
    }

    /** Noise is too fine for half precision. */
    private Tensor inFp32(Tensor example) {
        ScalarType type = example.scalar_type().intern();
        if (!example.is_floating_point() || example.dim() != rank) {
            throw new PipelineException("%s is %s of rank %d; noise is for floating-point numbers, of rank %d here"
                    .formatted(tensor, type, example.dim(), rank));
        }
        return type == ScalarType.Double ? example : example.to(ScalarType.Float);
    }

    @Override
    public Config config() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put(TENSOR, tensor);
        values.put(RANK, rank);
        values.put(SCHEDULE, schedule.config().root().unwrapped());
        values.put(PREDICTION, prediction.word());
        gamma.ifPresent(value -> values.put(GAMMA, value));
        return ConfigFactory.parseMap(values);
    }
}
