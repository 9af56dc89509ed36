// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A file that was asked for does not exist or may not be read. */
public final class MissingFileException extends UncheckedIOException {
    private static final long serialVersionUID = 1;

    MissingFileException(String message, IOException cause) {
        super(message, cause);
    }

    /** {@code failure} as an unchecked exception, of this type where the file is missing or closed to us. */
    static UncheckedIOException orUnchecked(Path file, IOException failure) {
        if (failure instanceof NoSuchFileException) {
            return new MissingFileException(file + ": does not exist", failure);
        } else if (failure instanceof AccessDeniedException) {
            return new MissingFileException(file + ": may not be read by this user", failure);
        }
        return new UncheckedIOException(file + ": " + failure, failure);
    }
}
