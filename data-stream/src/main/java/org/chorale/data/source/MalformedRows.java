// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

/** What becomes of a row, or a text file, that cannot be used: {@code data.malformed-rows}. */
public enum MalformedRows {
    /** The run ends, with file and line. */
    FAIL,
    /** It is left out and counted. */
    SKIP
}
