// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

/** The two streams that a run reads. */
public enum Feed {
    /** Global batches in the run's order, without end. */
    TRAIN,
    /** The held-out examples in file order, once. */
    EVALUATION
}
