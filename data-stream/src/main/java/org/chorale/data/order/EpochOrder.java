// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/**
 * Which example stands at which position of an epoch: a pure function of seed, epoch and position, so that a cursor is a
 * number. Safe to use from many threads.
 */
public sealed interface EpochOrder permits ExampleOrder, MixedOrder {
    /** How many positions an epoch has, at least 1. */
    long positions();

    /** The example at a position of an epoch, both from 0. */
    long example(long epoch, long position);

    /** An order of a few things inside a numbered window of this one, which depends on the seed too. */
    ExampleOrder within(long window, int count);
}
