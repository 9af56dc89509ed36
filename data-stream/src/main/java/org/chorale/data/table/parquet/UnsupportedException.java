// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

/** A file is well as far as one can tell, but has what is not read here. */
final class UnsupportedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    UnsupportedException(String message) {
        super(message);
    }
}
