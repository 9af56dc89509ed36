// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

/** A folder has links that are not followed; the message names them. */
final class LinkRefusedException extends Exception {
    private static final long serialVersionUID = 1;

    LinkRefusedException(String message) {
        super(message);
    }
}
