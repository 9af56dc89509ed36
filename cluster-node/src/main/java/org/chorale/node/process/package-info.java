// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Processes of workers, between a node that is told to have them and the actors that compute in them: how one is started,
 * watched, restarted and ended, and what runs in it. Whatever ends the node ends them.
 */
@NullMarked
package org.chorale.node.process;

import org.jspecify.annotations.NullMarked;
