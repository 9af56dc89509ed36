// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** Tests of the agent of a node. */
@NullMarked
package org.chorale.node.agent;

import org.jspecify.annotations.NullMarked;
