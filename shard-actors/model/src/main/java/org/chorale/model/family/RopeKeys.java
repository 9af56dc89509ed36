// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.decoder.RopeScaling;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;

/**
 * Rotary frequencies, as Transformers 4 ({@code rope_theta}, {@code rope_scaling}) and 5 ({@code rope_parameters}) write
 * them.
 */
final class RopeKeys {
    private static final String[] LLAMA3 = {"factor", "low_freq_factor", "high_freq_factor"};
    private static final String[] FACTOR = {"factor"};

    private final ConfigJson json;
    private final ConfigJson rope;

    private RopeKeys(ConfigJson json, ConfigJson rope) {
        this.json = json;
        this.rope = rope;
    }

    /**
     * Of a model with one rotary embedding.
     *
     * @param headWidth H
     * @param theta where it is not given
     * @param share of a head's components that are turned, where it is not given
     */
    static RopeFrequencies read(ConfigJson json, long headWidth, double theta, double share) {
        ConfigJson rope = json.object(json.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
        double base = rope.positive("rope_theta", json.positive("rope_theta", theta));
        return read(json, rope, headWidth, base, share);
    }

    /** Of one of a model's, which another object than usual tells of. */
    static RopeFrequencies read(ConfigJson json, ConfigJson rope, long headWidth, double theta, double share) {
        RopeFrequencies frequencies = new RopeKeys(json, rope).frequencies(headWidth, theta, share);
        json.problemsOf(rope);
        return frequencies;
    }

    private RopeFrequencies frequencies(long headWidth, double theta, double share) {
        double turned = rope.positive("partial_rotary_factor", json.positive("partial_rotary_factor", share));
        long width = (long) (headWidth * turned);
        if (turned > 1 || width < 2 || width % 2 != 0) {
            rope.problem(
                    "partial_rotary_factor = %s: turns %d of %d components of a head; must be an even number of them"
                            .formatted(turned, width, headWidth));
            width = 2;
        }
        return new RopeFrequencies(width, theta, scaling());
    }

    private RopeScaling scaling() {
        String type = rope.text("rope_type", rope.text("type", "default"));
        return switch (type) {
            case "default" -> new RopeScaling.None();
            case "linear" -> new RopeScaling.Linear(required(FACTOR, type));
            case "dynamic" -> new RopeScaling.Dynamic(required(FACTOR, type), contextTokens());
            case "llama3" -> llama3();
            case "yarn" -> yarn();
            default ->
                throw new InvalidModelException(
                        Reason.UNSUPPORTED,
                        json.file(),
                        "rope_type = " + type + ": supported are default, linear, dynamic, llama3 and yarn");
        };
    }

    /** The factor, beside which there must be other keys. */
    private double required(String[] keys, String type) {
        for (String key : keys) {
            if (!rope.has(key)) {
                rope.problem(key + " is missing: rope_type " + type + " needs it");
            }
        }
        return rope.positive("factor", 1);
    }

    private double contextTokens() {
        return json.positive("max_position_embeddings", 2048);
    }

    private double originalContextTokens() {
        String key = "original_max_position_embeddings";
        return rope.positive(key, json.positive(key, contextTokens()));
    }

    private RopeScaling llama3() {
        RopeScaling.Llama3 scaling = new RopeScaling.Llama3(
                required(LLAMA3, "llama3"),
                rope.positive("low_freq_factor", 1),
                rope.positive("high_freq_factor", 2),
                originalContextTokens());
        if (scaling.highFactor() <= scaling.lowFactor()) {
            rope.problem("high_freq_factor = %s: must be above low_freq_factor = %s"
                    .formatted(scaling.highFactor(), scaling.lowFactor()));
        }
        return scaling;
    }

    /** The attention factor is 0.1 ln(factor) + 1, unless it or both parts of it are given. */
    private RopeScaling yarn() {
        double factor = required(FACTOR, "yarn");
        double attentionFactor = rope.has("mscale") && rope.has("mscale_all_dim")
                ? magnitude(factor, rope.positive("mscale", 1)) / magnitude(factor, rope.positive("mscale_all_dim", 1))
                : magnitude(factor, 1);
        return new RopeScaling.Yarn(
                factor,
                rope.positive("beta_fast", 32),
                rope.positive("beta_slow", 1),
                originalContextTokens(),
                rope.positive("attention_factor", attentionFactor),
                rope.flag("truncate", true));
    }

    private static double magnitude(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    }
}
