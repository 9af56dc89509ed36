// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import java.util.ArrayList;
import java.util.List;

/**
 * The keys below {@code loss}: how plain language-model training counts. With V classes, p = softmax(logits) and
 * lse = log Σ exp(logits), a row costs (1 − ε)·(−log p[target]) + ε/V·Σ(−log p) + z·lse².
 *
 * @param labelSmoothing ε (Szegedy et al. 2016, arXiv 1512.00567)
 * @param zLoss z, keeps the normaliser near 1 (Chowdhery et al. 2022, arXiv 2204.02311, section 5)
 */
public record CrossEntropySettings(double labelSmoothing, double zLoss) {
    /** Cross entropy and nothing else. */
    public static final CrossEntropySettings PLAIN = new CrossEntropySettings(0, 0);

    public CrossEntropySettings {
        List<String> problems = new ArrayList<>();
        if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
            problems.add("loss.label-smoothing = %s: must be from 0 to below 1".formatted(labelSmoothing));
        }
        if (!(zLoss >= 0 && Double.isFinite(zLoss))) {
            problems.add("loss.z-loss = %s: must be 0 or above".formatted(zLoss));
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }
}
