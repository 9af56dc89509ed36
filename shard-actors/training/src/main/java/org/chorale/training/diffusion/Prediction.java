// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * What a model predicts of x<sub>t</sub>. With x<sub>t</sub> and its timestep each says the same as the others:
 * {@link #example} and {@link #noise} recover x₀ and ε from it. All tensors are [B, …] of one shape.
 */
public enum Prediction {
    /** ε, the noise (Ho et al. 2020). At timesteps that are nearly all noise, x₀ is recovered badly. */
    EPSILON {
        @Override
        Tensor target(Tensor example, Tensor noise, NoiseLevel level) {
            return noise;
        }

        @Override
        Tensor example(Tensor noisy, Tensor predicted, NoiseLevel level) {
            try (TensorScope scope = new TensorScope()) {
                return scope.keep(noisy.sub(level.noise().mul(predicted)).div(level.signal()));
            }
        }

        @Override
        Tensor noise(Tensor noisy, Tensor predicted, NoiseLevel level) {
            return predicted;
        }

        @Override
        Tensor importance(Tensor ratio) {
            return ratio;
        }
    },

    /** x₀, the example. */
    X0 {
        @Override
        Tensor target(Tensor example, Tensor noise, NoiseLevel level) {
            return example;
        }

        @Override
        Tensor example(Tensor noisy, Tensor predicted, NoiseLevel level) {
            return predicted;
        }

        @Override
        Tensor noise(Tensor noisy, Tensor predicted, NoiseLevel level) {
            try (TensorScope scope = new TensorScope()) {
                return scope.keep(noisy.sub(level.signal().mul(predicted)).div(level.noise()));
            }
        }

        @Override
        Tensor importance(Tensor ratio) {
            return torch.ones_like(ratio);
        }
    },

    /** v = √ᾱ ε − √(1 − ᾱ) x₀, which is well behaved at every timestep (Salimans and Ho 2022, arXiv 2202.00512). */
    V {
        @Override
        Tensor target(Tensor example, Tensor noise, NoiseLevel level) {
            return level.across(noise, example);
        }

        @Override
        Tensor example(Tensor noisy, Tensor predicted, NoiseLevel level) {
            return level.across(noisy, predicted);
        }

        @Override
        Tensor noise(Tensor noisy, Tensor predicted, NoiseLevel level) {
            return level.mix(predicted, noisy);
        }

        @Override
        Tensor importance(Tensor ratio) {
            return ratio.add(Scalars.of(1));
        }
    };

    /** What the model is to predict. */
    abstract Tensor target(Tensor example, Tensor noise, NoiseLevel level);

    /** x₀, if the prediction is right. */
    abstract Tensor example(Tensor noisy, Tensor predicted, NoiseLevel level);

    /** ε, if the prediction is right. */
    abstract Tensor noise(Tensor noisy, Tensor predicted, NoiseLevel level);

    /**
     * By what a squared error of this prediction is larger than that of x₀ which comes of it.
     *
     * @param ratio signal to noise, [B]
     */
    abstract Tensor importance(Tensor ratio);

    /**
     * The weight of each example's loss that makes it min(SNR, γ) for x₀, so that timesteps with little noise do not rule
     * the rest (Hang et al. 2023, arXiv 2303.09556).
     *
     * @param ratio signal to noise, [B]
     */
    Tensor minSnrWeight(Tensor ratio, double gamma) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(ratio.clamp_max(new Scalar(gamma)).div(importance(ratio)));
        }
    }

    /** As configurations write it. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @throws IllegalArgumentException where there is none of this name */
    static Prediction of(String word) {
        return Arrays.stream(values())
                .filter(prediction -> prediction.word().equals(word))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("prediction = %s: must be one of %s"
                        .formatted(
                                word,
                                Arrays.stream(values()).map(Prediction::word).collect(Collectors.joining(", ")))));
    }
}
