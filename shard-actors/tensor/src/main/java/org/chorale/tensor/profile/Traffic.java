// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

/**
 * An operation of several ranks, as one of them has enqueued it.
 *
 * @param group in which it is
 * @param number of the operation in its group, from 1: on all ranks of the group the same
 * @param operation such as {@code allGather}
 * @param bytes of the larger of its tensors: of a gather or a scatter, the whole of all ranks
 * @param ranks of the group
 */
public record Traffic(String group, long number, String operation, long bytes, int ranks) {}
