// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** Tests of clusters, of their nodes and of clients that reach them. */
@NullMarked
package org.chorale.node.cluster;

import org.jspecify.annotations.NullMarked;
