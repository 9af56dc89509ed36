// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** The agent of a node, between whoever leads runs and the workers and feeders that it has for them. */
@NullMarked
package org.chorale.node.agent;

import org.jspecify.annotations.NullMarked;
