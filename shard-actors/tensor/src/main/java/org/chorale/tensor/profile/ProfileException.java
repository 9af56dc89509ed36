// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

/** What a GPU does cannot be recorded here. */
public final class ProfileException extends RuntimeException {
    private static final long serialVersionUID = 1;

    ProfileException(String message) {
        super(message);
    }

    ProfileException(String message, Throwable cause) {
        super(message, cause);
    }
}
