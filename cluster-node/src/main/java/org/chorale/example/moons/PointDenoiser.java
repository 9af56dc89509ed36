// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.device.Device;
import org.chorale.training.diffusion.NoisingPreProcessor;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.NamedTensors;

/**
 * Predicts what noise has done to points in the plane: linears with SiLU between them, of waves of a point and its
 * timestep. B batch, F features, H hidden width.
 */
public final class PointDenoiser implements AutogradModel {
    /** The name of the points, [B, 2]. */
    public static final String POINT = "point";

    /** The name of what is predicted, [B, 2]. */
    public static final String PREDICTION = "prediction";

    private static final String HIDDEN_WIDTH = "hidden-width";
    private static final int POINT_WIDTH = 2;
    private static final int POINT_WAVES = 4;
    private static final int TIME_WAVES = 16;
    private static final int FEATURES = POINT_WIDTH + 2 * POINT_WIDTH * POINT_WAVES + 2 * TIME_WAVES;
    private static final int LAYERS = 4;

    private final int hiddenWidth;

    public PointDenoiser(int hiddenWidth) {
        this.hiddenWidth = hiddenWidth;
    }

    public PointDenoiser(Config config) {
        this(config.getInt(HIDDEN_WIDTH));
        ComponentConfig.refuseOtherKeys(config, Set.of(HIDDEN_WIDTH));
    }

    @Override
    public String contract() {
        return "%s:2:f | ctx.%s:1:i64 -> %s:2:f".formatted(POINT, NoisingPreProcessor.TIMESTEP, PREDICTION);
    }

    /** First values as libtorch's own linears draw them. */
    @Override
    public List<LearnableParameter> parameters() {
        List<LearnableParameter> parameters = new ArrayList<>();
        for (int layer = 0; layer < LAYERS; layer++) {
            int inputs = layer == 0 ? FEATURES : hiddenWidth;
            int outputs = layer == LAYERS - 1 ? POINT_WIDTH : hiddenWidth;
            FirstValue first = FirstValue.uniform(1 / Math.sqrt((double) inputs));
            parameters.add(LearnableParameter.of(weight(layer), first, outputs, inputs));
            parameters.add(LearnableParameter.of(bias(layer), first, outputs));
        }
        return parameters;
    }

    @Override
    public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
        Tensor timesteps = context.tensor(NoisingPreProcessor.TIMESTEP); // [B]
        return NamedTensors.of(PREDICTION, predict(inputs.get(POINT), timesteps, parameters));
    }

    /**
     * Predicts outside of a pipeline.
     *
     * @param points [B, 2]
     * @param timesteps [B] int64
     * @return [B, 2]
     */
    public static Tensor predict(Tensor points, Tensor timesteps, Function<String, Tensor> parameters) {
        Tensor hidden = features(points, timesteps); // [B, F]
        for (int layer = 0; layer < LAYERS; layer++) {
            TensorOptional bias = new TensorOptional(parameters.apply(bias(layer)));
            Tensor summed = torch.linear(hidden, parameters.apply(weight(layer)), bias);
            hidden = layer == LAYERS - 1 ? summed : torch.silu(summed); // [B, H]
        }
        return hidden;
    }

    /** A network is slow to learn what changes quickly; waves of many lengths are what it needs, [B, F]. */
    private static Tensor features(Tensor points, Tensor timesteps) {
        Tensor time = timesteps.to(ScalarType.Float).unsqueeze(1); // [B, 1]
        Tensor ofPoints = waves(points, POINT_WAVES, 1, 8);
        Tensor ofTime = waves(time, TIME_WAVES, 0.001, 1);
        return torch.cat(new TensorVector(points, ofPoints, ofTime), 1);
    }

    /** Sine and cosine at W frequencies, each so many times the one before, of each of N values; [B, N] to [B, 2 N W]. */
    private static Tensor waves(Tensor values, int count, double lowest, double highest) {
        double[] frequencies = IntStream.range(0, count)
                .mapToDouble(i -> lowest * Math.pow(highest / lowest, i / (count - 1.0)))
                .toArray();
        Tensor each = Device.of(values).ofDoubles(frequencies, count).to(ScalarType.Float);
        Tensor angles = values.unsqueeze(2).mul(each).flatten(1, 2); // [B, N W]
        return torch.cat(new TensorVector(angles.sin(), angles.cos()), 1);
    }

    private static String weight(int layer) {
        return "layer%d.weight".formatted(layer);
    }

    private static String bias(int layer) {
        return "layer%d.bias".formatted(layer);
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(HIDDEN_WIDTH, hiddenWidth));
    }
}
