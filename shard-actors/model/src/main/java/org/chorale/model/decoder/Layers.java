// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import java.util.function.Function;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.Attention;
import org.chorale.model.layer.FeedForward;
import org.chorale.model.layer.Fp8Linears;
import org.chorale.model.layer.GatedFeedForward;
import org.chorale.model.layer.HeadNorm;
import org.chorale.model.layer.HeadShape;
import org.chorale.model.layer.LayerNorm;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.MixtureOfExperts;
import org.chorale.model.layer.Norm;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.PlainFeedForward;
import org.chorale.model.layer.RmsNorm;
import org.chorale.model.layer.SideBySide;
import org.chorale.model.outline.LinearOutline;
import org.jspecify.annotations.Nullable;

/**
 * Makes layers of what a configuration says, over parameters by their published names.
 *
 * @param ropes the model's rotary embeddings, which attention names by number
 */
record Layers(Function<String, Parameter> parameters, Adapters adapters, Fp8Linears fp8, List<RopeFrequencies> ropes) {
    @Nullable
    Norm norm(@Nullable NormConfig config) {
        return config == null ? null : existing(config);
    }

    Norm existing(NormConfig config) {
        Parameter weight = parameters.apply(config.weight());
        return switch (config.kind()) {
            case RMS -> new RmsNorm(weight, config.epsilon());
            case RMS_FROM_ONE -> RmsNorm.fromOne(weight, config.epsilon());
            case LAYER -> new LayerNorm(weight, parameters.apply(config.bias()), config.epsilon());
        };
    }

    Attention attention(AttentionConfig config) {
        HeadShape shape = new HeadShape(
                config.heads(),
                config.keyValueHeads(),
                config.headWidth(),
                config.rope().width(),
                ropes.indexOf(config.rope()),
                config.interleaved());
        return new Attention(
                sideBySide(config.inputs()),
                linear(config.output()),
                shape,
                headNorm(config.queryNorm()),
                headNorm(config.keyNorm()),
                config.flash());
    }

    private @Nullable HeadNorm headNorm(@Nullable NormConfig config) {
        return config == null ? null : new HeadNorm(existing(config), config.width());
    }

    FeedForward feedForward(FeedForwardConfig config) {
        if (config instanceof FeedForwardConfig.Mixture mixture) {
            return new MixtureOfExperts(
                    linear(mixture.router()),
                    mixture.experts().stream().map(this::gated).toList(),
                    mixture.chosen(),
                    mixture.normalised());
        }
        FeedForwardConfig.Dense dense = (FeedForwardConfig.Dense) config;
        return dense.gated()
                ? gated(dense)
                : new PlainFeedForward(linear(dense.inputs().get(0)), linear(dense.down()), dense.activation());
    }

    private GatedFeedForward gated(FeedForwardConfig.Dense config) {
        return new GatedFeedForward(sideBySide(config.inputs()), linear(config.down()), config.activation());
    }

    private SideBySide sideBySide(List<LinearOutline> linears) {
        return new SideBySide(linears.stream().map(this::linear).toArray(Linear[]::new));
    }

    private Linear linear(LinearOutline outline) {
        String name = outline.module();
        return new Linear(
                parameters.apply(name + ".weight"),
                outline.bias() ? parameters.apply(name + ".bias") : null,
                adapters.of(name),
                fp8.of(name));
    }
}
