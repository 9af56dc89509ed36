// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.limit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What one template may use up. A template comes with a model, from anyone.
 *
 * @param templateChars longest source, in characters
 * @param outputChars longest rendered text, in characters
 * @param steps evaluations; what touches many elements or characters counts as many
 * @param madeChars all that is made on the way, kept or not: a character of a text counts 1, an element of a list 8
 * @param depth how deep syntax, calls and values may nest, each
 * @param time for one rendering, or for all that find the trained text of one conversation
 */
public record TemplateLimits(int templateChars, int outputChars, long steps, long madeChars, int depth, Duration time) {
    /** Times what the largest published templates need: a thousand, and more. */
    public static final TemplateLimits DEFAULT =
            new TemplateLimits(1 << 20, 1 << 24, 2_000_000, 1 << 25, 600, Duration.ofSeconds(5));

    /** Beyond this depth a thread's usual stack may not suffice. */
    private static final int MAX_DEPTH = 600;

    public TemplateLimits {
        List<String> problems = new ArrayList<>();
        atLeastOne("templateChars", templateChars, problems);
        atLeastOne("outputChars", outputChars, problems);
        atLeastOne("steps", steps, problems);
        atLeastOne("madeChars", madeChars, problems);
        if (depth < 1 || depth > MAX_DEPTH) {
            problems.add("depth is " + depth + "; must be from 1 to " + MAX_DEPTH);
        }
        if (time.isNegative() || time.isZero() || time.compareTo(Duration.ofDays(1)) > 0) {
            problems.add("time is " + time + "; must be more than none, and at most a day");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join(", ", problems));
        }
    }

    private static void atLeastOne(String name, long value, List<String> problems) {
        if (value < 1) {
            problems.add(name + " is " + value + "; must be at least 1");
        }
    }
}
