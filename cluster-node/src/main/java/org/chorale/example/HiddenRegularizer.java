// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;

/** Keeps hidden states small: a factor times the mean of their squares. */
public final class HiddenRegularizer implements LossCalculator {
    private static final String FACTOR = "factor";

    private final double factor;

    public HiddenRegularizer(double factor) {
        this.factor = factor;
    }

    public HiddenRegularizer(Config config) {
        this(config.getDouble(FACTOR));
    }

    @Override
    public String contract() {
        return "| ctx.hidden_states:3:f, ctx.attention_mask:2:f -> loss:0:f";
    }

    @Override
    public LossOutput compute(NamedTensors outputs, Context context) {
        Tensor hidden = context.tensor("hidden_states"); // [B, T, H]
        Tensor present = context.tensor(Context.ATTENTION_MASK); // [B, T]
        Tensor sum = hidden.square().mul(present.unsqueeze(-1)).sum().mul(Scalars.of(factor));
        return LossOutput.of(name(), sum, present.sum().item_double() * hidden.size(-1));
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(FACTOR, factor));
    }
}
