// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.PipelineException;

/** A user's own model as what is trained: a unit for each first part of its parameters' names. */
public final class AutogradSource implements ParameterSource {
    private final AutogradModel model;
    private final List<UnitOutline> units;
    private final long seed;

    /**
     * @param seed of the run, which the first values are drawn from
     * @throws PipelineException where names are not unique, a pattern matches nothing, or nothing is left to train
     */
    public AutogradSource(AutogradModel model, Freezing freezing, long seed) {
        this.model = model;
        this.seed = seed;
        try {
            this.units = freezing.apply(units(model));
        } catch (IllegalArgumentException e) {
            throw new PipelineException(String.valueOf(e.getMessage()), e);
        }
    }

    private static List<UnitOutline> units(AutogradModel model) {
        Map<String, List<ParameterOutline>> units = new LinkedHashMap<>();
        List<String> names = new ArrayList<>();
        for (LearnableParameter parameter : model.parameters()) {
            if (names.contains(parameter.name())) {
                throw new PipelineException(
                        "%s has two parameters %s; names must be unique".formatted(model.name(), parameter.name()));
            }
            names.add(parameter.name());
            units.computeIfAbsent(unit(parameter), name -> new ArrayList<>())
                    .add(new ParameterOutline(parameter.name(), parameter.shape(), parameter.trainable()));
        }
        return units.entrySet().stream()
                .map(unit -> new UnitOutline(unit.getKey(), unit.getValue()))
                .toList();
    }

    /** The name of the unit that a parameter of a user's own model is in. */
    static String unit(LearnableParameter parameter) {
        return parameter.name().split("\\.", 2)[0];
    }

    /** The model that computes with these parameters. */
    public AutogradModel model() {
        return model;
    }

    @Override
    public List<UnitOutline> units() {
        return units;
    }

    @Override
    public void copyInto(String parameter, long from, long until, Tensor target) {
        model.parameters().stream()
                .filter(declared -> declared.name().equals(parameter))
                .findFirst()
                .orElseThrow(() -> new PipelineException(model.name() + " has no parameter " + parameter))
                .copyInto(seed, from, until, target);
    }

    /** Of class, configuration and seed: what decides the first values of a model that can be made anew. */
    @Override
    public String fingerprint() {
        String all = "%s %s %d"
                .formatted(model.getClass().getName(), model.config().root().unwrapped(), seed);
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(all.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }

    @Override
    public void close() {
        // The model belongs to whoever made it.
    }
}
