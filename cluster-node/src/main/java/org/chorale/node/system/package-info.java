// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** Configuration of the actor systems of Chorale's own processes, below all that runs in them: who listens where, and to whom. */
@NullMarked
package org.chorale.node.system;

import org.jspecify.annotations.NullMarked;
