// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;

/**
 * The mean over all elements of the squared error times its example's weight, which {@link NoisingPreProcessor} has put
 * into the context. The mean is over elements and not over weights: an example's share does not depend on the timesteps
 * that others got. It also reports the error without weights, as {@code mse}.
 *
 * <p>Its configuration: {@code prediction}, the name of the model's output, and {@code rank} of that.
 */
public final class SnrWeightedLoss implements LossCalculator {
    private static final String PREDICTION = "prediction";
    private static final String RANK = "rank";

    private final String prediction;
    private final int rank;

    /** @param rank of the model's output, the examples' dimension included */
    public SnrWeightedLoss(String prediction, int rank) {
        this.prediction = prediction;
        this.rank = rank;
    }

    public SnrWeightedLoss(Config config) {
        this(config.getString(PREDICTION), config.hasPath(RANK) ? config.getInt(RANK) : 2);
        ComponentConfig.refuseOtherKeys(config, Set.of(PREDICTION, RANK));
    }

    @Override
    public String contract() {
        return "%1$s:%2$d:f | ctx.%3$s:%2$d:f, ctx.%4$s:1:f -> loss:0:f"
                .formatted(prediction, rank, Context.TARGET, NoisingPreProcessor.WEIGHT);
    }

    @Override
    public LossOutput compute(NamedTensors outputs, Context context) {
        Tensor predicted = outputs.get(prediction); // [B, …]
        Tensor target = context.tensor(Context.TARGET);
        if (!Arrays.equals(predicted.shape(), target.shape())) {
            throw new PipelineException("the prediction %s has shape %s, the target %s; they must be the same"
                    .formatted(prediction, Arrays.toString(predicted.shape()), Arrays.toString(target.shape())));
        }
        Tensor squares = predicted.to(ScalarType.Float).sub(target).square();
        Tensor weights = context.tensor(NoisingPreProcessor.WEIGHT); // [B]
        double elements = (double) squares.numel();
        Tensor errors = squares.view(squares.size(0), -1).sum(1); // [B]
        return LossOutput.of(name(), errors.mul(weights).sum(), elements).withMetric("mse", squares.sum(), elements);
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(PREDICTION, prediction, RANK, rank));
    }
}
