// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** The diffusion example, trained and drawn from. */
@NullMarked
package org.chorale.example.moons;

import org.jspecify.annotations.NullMarked;
