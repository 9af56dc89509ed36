// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

/** An example cannot be tokenized; the message says why and what would be right, without file and line. */
public final class UnusableExampleException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public UnusableExampleException(String message) {
        super(message);
    }
}
