// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;

/**
 * The keys below {@code loss}: how plain language-model training counts. With V classes, p = softmax(logits) and
 * lse = log Σ exp(logits), a row costs (1 − ε)·(−log p[target]) + ε/V·Σ(−log p) + z·lse².
 *
 * @param labelSmoothing ε (Szegedy et al. 2016, arXiv 1512.00567)
 * @param zLoss z, keeps the normaliser near 1 (Chowdhery et al. 2022, arXiv 2204.02311, section 5)
 * @param router what the loss that balances a mixture's routers is multiplied by; empty for what the model's
 *     configuration says
 */
public record CrossEntropySettings(double labelSmoothing, double zLoss, Optional<Double> router) {
    /** Cross entropy and nothing else. */
    public static final CrossEntropySettings PLAIN = new CrossEntropySettings(0, 0);

    /** Routers as the model's configuration says. */
    public CrossEntropySettings(double labelSmoothing, double zLoss) {
        this(labelSmoothing, zLoss, Optional.empty());
    }

    public CrossEntropySettings {
        List<String> problems = new ArrayList<>();
        if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
            problems.add("loss.label-smoothing = %s: must be from 0 to below 1".formatted(labelSmoothing));
        }
        if (!(zLoss >= 0 && Double.isFinite(zLoss))) {
            problems.add("loss.z-loss = %s: must be 0 or above".formatted(zLoss));
        }
        router.filter(coefficient -> !(coefficient >= 0 && Double.isFinite(coefficient)))
                .ifPresent(coefficient -> problems.add("loss.router = %s: must be 0 or above".formatted(coefficient)));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /**
     * What the loss of a model's routers is multiplied by; 0 for none.
     *
     * @throws IllegalArgumentException where it is asked for of a model without routers
     */
    public double routerCoefficient(DecoderConfig model) {
        Optional<Double> ofModel = model.mixtures().map(Mixture::balance).findFirst();
        if (ofModel.isEmpty() && router.orElse(0.0) != 0) {
            throw new IllegalArgumentException("loss.router = %s: a %s has no routers: leave it null, or 0"
                    .formatted(router.get(), model.family()));
        }
        return router.or(() -> ofModel).orElse(0.0);
    }
}
