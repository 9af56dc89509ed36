// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.util.Locale;

/** What the rows of a source say, by their columns: {@code format} of a source. */
public enum RowFormat {
    /** Each row is what its columns say that it is. */
    AUTO,
    /** {@code messages}, and perhaps {@code tools}. */
    MESSAGES,
    /** {@code prompt} and {@code completion}. */
    PROMPT_COMPLETION,
    /** {@code text}. */
    TEXT,
    /** {@code instruction}, perhaps {@code input}, and {@code output}. */
    ALPACA,
    /** {@code conversations} of {@code from} and {@code value}, perhaps {@code system} and {@code tools}. */
    SHAREGPT,
    /** {@code chosen} and {@code rejected}, or {@code completion} and {@code label}, to a {@code prompt}. */
    PREFERENCE;

    /** As the configuration has it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
