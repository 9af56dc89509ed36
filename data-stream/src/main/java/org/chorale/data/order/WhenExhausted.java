// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/** When an epoch of mixed sources ends, and what a source does that runs out before: {@code data.train.exhausted}. */
public enum WhenExhausted {
    /** An epoch lasts until every source has been seen as a whole; a smaller one begins its next pass meanwhile. */
    REPEAT,
    /** An epoch ends when the first source has been seen as a whole; the others go on with their pass in the next. */
    STOP
}
