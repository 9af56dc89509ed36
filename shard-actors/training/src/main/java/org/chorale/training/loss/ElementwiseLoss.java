// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;

/**
 * A mean over elements of some distance between prediction and target. A mask [B] or [B, T] weighs all elements below its
 * dimensions; the mean is over the weights then.
 */
abstract sealed class ElementwiseLoss implements LossCalculator permits MseLoss, L1Loss {
    static final String PREDICTION = "prediction";

    private final LossKeys keys;

    ElementwiseLoss(LossKeys keys) {
        this.keys = keys;
    }

    /** Of differences of any shape, each for itself; the same shape. */
    abstract Tensor distance(Tensor difference);

    final LossKeys keys() {
        return keys;
    }

    @Override
    public final String contract() {
        return keys.contract();
    }

    @Override
    public final LossOutput compute(NamedTensors outputs, Context context) {
        Tensor prediction = upcast(keys.prediction(outputs));
        Tensor target = keys.target(context);
        if (!Arrays.equals(prediction.shape(), target.shape())) {
            throw new PipelineException("%s: the prediction %s has shape %s, the target %s %s; they must be the same"
                    .formatted(
                            name(),
                            keys.prediction(),
                            Arrays.toString(prediction.shape()),
                            keys.target(),
                            Arrays.toString(target.shape())));
        }
        Tensor distances = distance(prediction.sub(target.to(prediction.scalar_type())));
        return keys.mask(context)
                .map(mask -> masked(distances, mask))
                .orElseGet(() -> LossOutput.of(name(), distances.sum(), (double) distances.numel()));
    }

    /** What a mask leaves out may even be NaN. */
    private LossOutput masked(Tensor distances, Tensor mask) {
        Tensor weights = mask.to(distances.scalar_type());
        while (weights.dim() < distances.dim()) {
            weights = weights.unsqueeze(-1);
        }
        Tensor spread = weights.expand_as(distances);
        Tensor counted = distances.masked_fill(spread.eq(Scalars.of(0)), Scalars.of(0));
        return LossOutput.of(name(), counted.mul(spread).sum(), spread.sum().item_double());
    }

    private static Tensor upcast(Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        return type == ScalarType.BFloat16 || type == ScalarType.Half ? tensor.to(ScalarType.Float) : tensor;
    }

    @Override
    public final Config config() {
        return keys.config();
    }
}
