// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import java.nio.file.Path;

/** A model folder that cannot be used as it is; the message names the file and, line by line, what is wrong. */
public final class InvalidModelException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Why the folder cannot be used. */
    public enum Reason {
        /** config.json is no JSON object. */
        MALFORMED,
        /** config.json asks for something that Chorale does not do. */
        UNSUPPORTED,
        /** config.json contradicts itself, or the weights are not what it asks for. */
        MISMATCH
    }

    private final Reason reason;

    public InvalidModelException(Reason reason, Path file, String problem) {
        super(file + ": " + problem);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
