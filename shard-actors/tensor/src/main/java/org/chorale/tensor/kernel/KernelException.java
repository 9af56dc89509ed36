// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import org.jspecify.annotations.Nullable;

/** A kernel that could not be compiled, loaded or launched; the message has the call and the library's own words. */
public final class KernelException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    KernelException(String message) {
        this(message, null);
    }

    KernelException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
