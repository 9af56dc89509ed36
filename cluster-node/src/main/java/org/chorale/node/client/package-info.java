// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** A client of a cluster, outside it: submits runs, asks for them, and watches them. */
@NullMarked
package org.chorale.node.client;

import org.jspecify.annotations.NullMarked;
