// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

/** Stand-in. */
public class AmbiguousTurnsException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public AmbiguousTurnsException(String message) {
        super(message);
    }
}
