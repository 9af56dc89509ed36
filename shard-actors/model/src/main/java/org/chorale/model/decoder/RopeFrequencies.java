// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The frequencies of the rotary embedding, in radians per token: θ^(−2i/H) for i below H/2, stretched for long contexts
 * as Llama 3 does it where {@code scaling} is given.
 *
 * <p>Everything is computed in fp32 and in the order in which Transformers computes it, so that the angles at far
 * positions, where one rounding counts, are the same.
 *
 * @param theta the base
 * @param scaling Llama 3's stretch, null for none
 */
public record RopeFrequencies(double theta, @Nullable Llama3Scaling scaling) {
    /**
     * Wavelengths longer than originalContext ÷ lowFactor are stretched by {@code factor}, those shorter than
     * originalContext ÷ highFactor stay, and between them the two are blended (Transformers,
     * {@code _compute_llama3_parameters}).
     */
    public record Llama3Scaling(double factor, double lowFactor, double highFactor, double originalContextTokens) {}

    static RopeFrequencies from(ConfigJson json) {
        boolean current = json.has("rope_parameters");
        ConfigJson rope = json.object(current ? "rope_parameters" : "rope_scaling");
        double theta = json.positive("rope_theta", 10_000);
        if (current) {
            theta = rope.positive("rope_theta", theta);
        }
        RopeFrequencies frequencies = new RopeFrequencies(theta, scaling(json, rope));
        json.problemsOf(rope);
        return frequencies;
    }

    private static @Nullable Llama3Scaling scaling(ConfigJson json, ConfigJson rope) {
        String type = rope.text("rope_type", rope.text("type", "default"));
        if (rope.positive("partial_rotary_factor", 1) != 1) {
            rope.problem("partial_rotary_factor: only 1 is supported");
        }
        if (type.equals("default")) {
            return null;
        }
        if (!type.equals("llama3")) {
            throw new InvalidModelException(
                    Reason.UNSUPPORTED, json.file(), "rope_type = " + type + ": only default and llama3 are supported");
        }
        for (String key : new String[] {"factor", "low_freq_factor", "high_freq_factor"}) {
            if (!rope.has(key)) {
                rope.problem(key + " is missing: rope_type llama3 needs it");
            }
        }
        Llama3Scaling scaling = new Llama3Scaling(
                rope.positive("factor", 1),
                rope.positive("low_freq_factor", 1),
                rope.positive("high_freq_factor", 2),
                rope.positive(
                        "original_max_position_embeddings",
                        json.positive(
                                "original_max_position_embeddings", json.positive("max_position_embeddings", 2048))));
        if (scaling.highFactor <= scaling.lowFactor) {
            rope.problem("high_freq_factor = %s: must be above low_freq_factor = %s"
                    .formatted(scaling.highFactor, scaling.lowFactor));
        }
        return scaling;
    }

    /** [H/2], fp32, in the open scope. */
    Tensor compute(long headWidth) {
        try (TensorScope scope = new TensorScope()) {
            Tensor exponents = torch.arange(new Scalar(0), new Scalar(headWidth), new Scalar(2))
                    .to(ScalarType.Float)
                    .div_(Scalars.of((double) headWidth)); // [H/2]
            Tensor frequencies = torch.pow(Scalars.of(theta), exponents).reciprocal_();
            return scope.keep(scaling == null ? frequencies : stretch(frequencies, scaling));
        }
    }

    private static Tensor stretch(Tensor frequencies, Llama3Scaling scaling) {
        Tensor wavelengths = frequencies.reciprocal().mul_(Scalars.of(2 * Math.PI));
        double longest = scaling.originalContextTokens / scaling.lowFactor;
        double shortest = scaling.originalContextTokens / scaling.highFactor;
        Tensor stretched = frequencies.div(Scalars.of(scaling.factor));
        Tensor share = wavelengths
                .reciprocal()
                .mul_(Scalars.of(scaling.originalContextTokens))
                .sub_(Scalars.of(scaling.lowFactor))
                .div_(Scalars.of(scaling.highFactor - scaling.lowFactor)); // of the unstretched frequency
        Tensor blended = torch.addcmul(stretched, share, frequencies.sub(stretched));
        Tensor isLong = wavelengths.gt(Scalars.of(longest));
        Tensor isShort = wavelengths.lt(Scalars.of(shortest));
        return torch.where(isLong, stretched, torch.where(isShort, frequencies, blended));
    }
}
