// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What every block of a forward pass shares: how its rows make up sequences, and who sees whom.
 *
 * @param sequences B
 * @param tokens T of each sequence; a block's rows are the B·T tokens, sequence by sequence
 * @param rotary the turn of each position
 * @param mask [B, 1, T, T], added to the attention scores; null where the attention is causal and nothing else, which
 *     is enough for sequences that are padded on the right: no token that counts ever sees the padding
 */
public record SequenceContext(
        long sequences,
        long tokens,
        Rotary rotary,
        @Nullable Tensor mask) {}
