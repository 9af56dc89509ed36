// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.pipeline.Context;

/** The mean squared difference. */
public final class MseLoss extends ElementwiseLoss {
    /** Of the tensor {@code prediction}, {@code ctx.target} and everything in them. */
    public MseLoss() {
        this(PREDICTION, Context.TARGET);
    }

    /** Of a tensor that flows and a target in the context. */
    public MseLoss(String prediction, String target) {
        this(LossKeys.of(prediction, target));
    }

    /** Keys {@code prediction}, {@code target}, {@code mask} and {@code contract}. */
    public MseLoss(Config config) {
        this(LossKeys.read(config, PREDICTION));
    }

    private MseLoss(LossKeys keys) {
        super(keys);
    }

    /** The same, weighed by a mask in the context. */
    public MseLoss masked(String key) {
        return new MseLoss(keys().masked(key));
    }

    /** The same, with a contract, which depends on the ranks in the pipeline. */
    public MseLoss declaring(String contract) {
        return new MseLoss(keys().declaring(contract));
    }

    @Override
    Tensor distance(Tensor difference) {
        return difference.square();
    }
}
