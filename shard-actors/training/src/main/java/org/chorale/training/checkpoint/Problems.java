// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.chorale.tensor.safetensors.InvalidFileException;

/** All that is wrong, a line each; where it is very much, the first lines and a count. */
final class Problems {
    private static final int MAX_LINES = 20;

    private final List<String> lines = new ArrayList<>();
    private int count;

    /** @param arguments of which text is made fit for terminals: names of a file may be anything */
    void add(String format, Object... arguments) {
        if (count < MAX_LINES) {
            Object[] printable = Arrays.stream(arguments)
                    .map(argument -> argument instanceof String text ? InvalidFileException.printable(text) : argument)
                    .toArray();
            lines.add(String.format(Locale.ROOT, format, printable));
        }
        count++;
    }

    int count() {
        return count;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Each on a line of its own, after a line that says what they are of. */
    String text() {
        String rest = count > MAX_LINES ? "\n  and %d more".formatted(count - MAX_LINES) : "";
        return "\n  " + String.join("\n  ", lines) + rest;
    }
}
