// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

/** Element types that a batch may carry. */
public enum ColumnType {
    I64(8),
    F32(4),
    U8(1);

    private final int bytes;

    ColumnType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }
}
