// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * An example of a diffusion model from data to picture: a small network learns to take noise off points of two half-moons,
 * and draws new points from nothing but noise. {@link org.chorale.example.moons.MoonsDiffusion} is where to start;
 * {@code deploy/samples/moons/draw} runs it, and {@code deploy/recipes/moons.conf} says the same in a run's file.
 */
@NullMarked
package org.chorale.example.moons;

import org.jspecify.annotations.NullMarked;
