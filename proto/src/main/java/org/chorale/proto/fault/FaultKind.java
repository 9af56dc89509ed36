// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.fault;

/** Who must act on a fault. */
public enum FaultKind {
    /** The user: the input is wrong, and the message says what would be right. Exit code 2. */
    USER,
    /** Nobody, or an operator: something that the run needs went away; the run recovers, or can be resumed. Exit code 1. */
    LOST_RESOURCE,
    /** We: Chorale did something wrong. Exit code 1. */
    BUG
}
