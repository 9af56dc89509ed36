// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Diffusion models, before and after the model of a pipeline: a
 * {@link org.chorale.training.diffusion.NoisingPreProcessor} makes of each example x₀ a noisy one x<sub>t</sub> and what
 * is to be predicted of it, and a {@link org.chorale.training.diffusion.DiffusionSampler} draws new examples with what was
 * trained.
 *
 * <p>Throughout, t runs from 0 (hardly any noise) to T − 1 (hardly anything else); ᾱ is the product of all α up to t; and
 * x<sub>t</sub> = √ᾱ<sub>t</sub> x₀ + √(1 − ᾱ<sub>t</sub>) ε, with ε from N(0, 1) (Ho et al. 2020, arXiv 2006.11239).
 */
@NullMarked
package org.chorale.training.diffusion;

import org.jspecify.annotations.NullMarked;
