// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.tokenizer;

/**
 * Token ids and where in the text they come from, in characters as Python counts them: Unicode code points.
 *
 * @param ids the tokens
 * @param starts of each token the first character; 0 for a token that the post-processor added
 * @param ends of each token the character after its last; 0 for a token that the post-processor added
 */
@SuppressWarnings("ArrayRecordComponent") // made for one reader, never compared
public record TokenSpans(long[] ids, int[] starts, int[] ends) {}
