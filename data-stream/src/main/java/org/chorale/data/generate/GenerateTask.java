// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.generate;

/** Data that Chorale can make by itself: {@code data.generate.task}. */
public enum GenerateTask {
    /** Letters of made-up words, to be given in reverse. */
    REVERSE_WORDS
}
