// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import java.security.MessageDigest;
import java.util.Arrays;

/**
 * What lets a rank into the group that the ranks of a generation form over NCCL: its unique id. Whoever has it can join, so
 * it is a secret: it travels in messages between actors alone, and stands in no log, text or file.
 *
 * @param bytes {@value #BYTES} of them, owned by the key, never changed
 */
@SuppressWarnings("ArrayRecordComponent")
public record GroupKey(byte[] bytes) {
    /** As NCCL has it. */
    public static final int BYTES = 128;

    public GroupKey {
        if (bytes.length != BYTES) {
            throw new IllegalArgumentException(
                    "the key of a group has %d bytes, not %d".formatted(BYTES, bytes.length));
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof GroupKey key && MessageDigest.isEqual(bytes, key.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return "GroupKey[secret]";
    }
}
