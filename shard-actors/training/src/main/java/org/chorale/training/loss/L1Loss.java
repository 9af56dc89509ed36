// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.pipeline.Context;

/** The mean absolute difference. */
public final class L1Loss extends ElementwiseLoss {
    /** Of the tensor {@code prediction}, {@code ctx.target} and everything in them. */
    public L1Loss() {
        this(PREDICTION, Context.TARGET);
    }

    /** Of a tensor that flows and a target in the context. */
    public L1Loss(String prediction, String target) {
        this(LossKeys.of(prediction, target));
    }

    /** Keys {@code prediction}, {@code target}, {@code mask} and {@code contract}. */
    public L1Loss(Config config) {
        this(LossKeys.read(config, PREDICTION));
    }

    private L1Loss(LossKeys keys) {
        super(keys);
    }

    /** The same, weighed by a mask in the context. */
    public L1Loss masked(String key) {
        return new L1Loss(keys().masked(key));
    }

    /** The same, with a contract, which depends on the ranks in the pipeline. */
    public L1Loss declaring(String contract) {
        return new L1Loss(keys().declaring(contract));
    }

    @Override
    Tensor distance(Tensor difference) {
        return difference.abs();
    }
}
