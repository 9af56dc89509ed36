// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

/**
 * What Adam does with a gradient g, except for the rate η of a step:
 *
 * <pre>{@code
 * m = β1 m + (1 − β1) g          v = β2 v + (1 − β2) g²
 * w = w − η / (1 − β1ᵗ) · m / (√(v / (1 − β2ᵗ)) + ε)
 * }</pre>
 *
 * @param decay λ
 * @param decaysGradient whether g + λ w takes the place of g, as in Adam, rather than w (1 − η λ) that of w, as in AdamW
 */
public record AdamRule(double beta1, double beta2, double epsilon, double decay, boolean decaysGradient) {}
