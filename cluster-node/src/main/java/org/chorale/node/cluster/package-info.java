// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** A node of a cluster: membership, who leads the runs, and the gate through which clients reach it. */
@NullMarked
package org.chorale.node.cluster;

import org.jspecify.annotations.NullMarked;
