// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

/** A file is not the table that its name says, or not a whole one. The message goes on after the file's name. */
public final class TableException extends Exception {
    private static final long serialVersionUID = 1;

    public TableException(String message) {
        super(message);
    }

    public TableException(String message, Throwable cause) {
        super(message, cause);
    }
}
