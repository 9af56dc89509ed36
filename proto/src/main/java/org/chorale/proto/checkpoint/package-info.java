// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** What a committed checkpoint says of itself on disk: written by the coordinator, read by workers and commands. */
@NullMarked
package org.chorale.proto.checkpoint;

import org.jspecify.annotations.NullMarked;
