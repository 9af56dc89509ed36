// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

/** How long a rank holds whole parameters, beside its own part of them. */
public enum Gathering {
    /** While they are used, in forward and again in backward: what FSDP calls full shard, and ZeRO stage 3. */
    PER_USE,
    /** From the first forward of a step to its last backward: ZeRO stage 2. */
    PER_STEP,
    /** Always; they are gathered once after each optimizer step: ZeRO stage 1, and plain data parallelism. */
    ALWAYS
}
