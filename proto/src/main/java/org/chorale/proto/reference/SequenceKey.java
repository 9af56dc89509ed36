// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.reference;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A sequence by what a model sees of it: the first 128 bits of SHA-256 over its tokens and labels. So whatever makes other
 * tokens of a row (tokenizer, template, cutting) makes another key, and nothing else does.
 */
public record SequenceKey(long high, long low) implements Comparable<SequenceKey> {
    /**
     * Of a row of a batch.
     *
     * @param from where the sequence begins in both arrays
     * @param length tokens, padding not counted
     */
    public static SequenceKey of(long[] tokens, long[] labels, int from, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * length * Long.BYTES);
        bytes.asLongBuffer().put(tokens, from, length).put(labels, from, length);
        ByteBuffer digest = ByteBuffer.wrap(sha256().digest(bytes.array()));
        return new SequenceKey(digest.getLong(), digest.getLong());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }

    @Override
    public int compareTo(SequenceKey other) {
        int highs = Long.compare(high, other.high);
        return highs == 0 ? Long.compare(low, other.low) : highs;
    }
}
