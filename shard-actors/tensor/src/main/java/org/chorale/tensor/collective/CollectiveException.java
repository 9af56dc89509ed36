// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

/**
 * An operation that the ranks of a group do together could not be finished: a peer is gone, the group was aborted, or its
 * deadline has passed. Nothing is wrong with this rank; what the operation was to write is undefined.
 */
public final class CollectiveException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** @param message names the operation, the rank and what was waited for */
    public CollectiveException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Likewise, without an exception below. */
    public CollectiveException(String message) {
        super(message);
    }
}
