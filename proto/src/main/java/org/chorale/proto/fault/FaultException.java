// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.fault;

import org.jspecify.annotations.Nullable;

/** A fault on its way up the stack. */
public final class FaultException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final FaultCode code;

    public FaultException(FaultCode code, String message) {
        this(code, message, null);
    }

    public FaultException(FaultCode code, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /** The fault that this exception carries. */
    public Fault fault() {
        return new Fault(code, String.valueOf(getMessage()));
    }
}
