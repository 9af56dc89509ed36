// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

/** What becomes of an example that is longer than a sequence: {@code data.truncation}. */
public enum Truncation {
    /** Its end is cut off and counted. */
    CUT,
    /** Its row is malformed. */
    ERROR,
    /** It goes on in further sequences, which are examples of their own. */
    SPLIT
}
