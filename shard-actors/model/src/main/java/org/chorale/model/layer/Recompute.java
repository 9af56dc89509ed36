// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

/**
 * What a transformer block drops after its forward and computes again before its backward.
 *
 * <p>Per row of a Llama, at T = 2,048 tokens and in bf16: bytes that are kept, or dropped, and operations that are repeated.
 *
 * <pre>
 *               8B (D 4,096, F 14,336, N 32, K 8)     1.1B (D 2,048, F 5,632, N 32, K 4)
 * none         110,728                                48,264
 * selective     16,512     319 M                       8,320     65 M
 * full           8,192     336 M                       4,096     73 M
 *
 * gate, up      57,344     235 M                      22,528     46 M
 * q, k, v       12,288      50 M                       5,120     10 M
 * h              8,192      34 M                       4,096      8 M
 * norms         16,384                                 8,192
 * attention      8,320      17 M                       4,224      8 M
 * </pre>
 *
 * A product with a weight takes D operations for each byte of its result, whichever product it is. Attention takes T, at
 * half of a product's speed or less, and its result is as small as h. So attention is the last that is worth computing
 * twice, and the products before it are all alike: {@link #SELECTIVE} repeats all of them, and a model that has memory
 * for more lets some blocks repeat nothing (see {@link RecomputePlan}).
 */
public enum Recompute {
    /** Nothing: the block keeps all that its backward reads, but what the last product of its network was given. */
    NONE,
    /** Everything but attention: the block keeps its input, and attention's result with its log-sum-exp. */
    SELECTIVE,
    /** Everything: the block keeps its input. */
    FULL
}
