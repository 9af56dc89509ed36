// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.util.Arrays;

/** What a sequence is to the example that it is part of, in a batch of preferences. */
public enum SequenceRole {
    /** The better of two answers; the next sequence is the other. */
    CHOSEN(0),
    REJECTED(1),
    /** An answer that was rated; the next sequence has the answer of another example to the same prompt. */
    DESIRABLE(2),
    UNDESIRABLE(3),
    MISMATCHED(4);

    private final long code;

    SequenceRole(long code) {
        this.code = code;
    }

    /** What stands for it in a batch. */
    public long code() {
        return code;
    }

    /** What a code stands for. */
    public static SequenceRole of(long code) {
        return Arrays.stream(values())
                .filter(role -> role.code == code)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no role has the code " + code));
    }
}
