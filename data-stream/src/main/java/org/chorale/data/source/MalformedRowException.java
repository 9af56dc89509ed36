// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

/** A row cannot be used; the message says why and what would be right, without file and line. */
public final class MalformedRowException extends Exception {
    private static final long serialVersionUID = 1;

    public MalformedRowException(String message) {
        super(message);
    }
}
