// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import com.google.re2j.Matcher;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;

/**
 * A pattern over the dotted names of modules and parameters. It matches a whole name or not at all, in time linear in
 * the name (RE2), whoever wrote it.
 */
public final class NamePattern {
    private static final int MAX_CHARS = 1000;

    /** Of all repetition counts of a pattern together: RE2 writes each repetition out. */
    private static final long MAX_REPETITIONS = 1000;

    private static final int MAX_RANGE = 4096;

    private static final Pattern COUNT = Pattern.compile("\\{\\d*,?\\d*\\}");
    private static final Pattern RANGE = Pattern.compile("\\{(\\d{1,6})\\.\\.(\\d{1,6})\\}");

    private final String written;
    private final Pattern pattern;

    private NamePattern(String written, Pattern pattern) {
        this.written = written;
        this.pattern = pattern;
    }

    /**
     * A regular expression as Python's {@code re.fullmatch} reads it, without look-around and back references.
     *
     * @throws IllegalArgumentException where it is none, or too large
     */
    public static NamePattern regex(String expression) {
        refuseTooLarge(expression);
        try {
            return new NamePattern(expression, Pattern.compile(expression));
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "%s: is no regular expression without look-around and back references: %s"
                            .formatted(expression, e.getDescription()));
        }
    }

    /**
     * A glob: {@code *} stands for any characters but a dot, {@code **} for any characters, <code>{2..5}</code> for the
     * whole numbers from 2 to 5, and everything else for itself.
     *
     * @throws IllegalArgumentException where a range is empty or a brace does not belong to one
     */
    public static NamePattern glob(String glob) {
        if (glob.isEmpty() || glob.length() > MAX_CHARS) {
            throw new IllegalArgumentException("'%s': must have 1 to %d characters".formatted(glob, MAX_CHARS));
        }
        StringBuilder expression = new StringBuilder();
        Matcher range = RANGE.matcher(glob);
        int at = 0;
        while (at < glob.length()) {
            if (glob.startsWith("**", at)) {
                expression.append(".*");
                at += 2;
            } else if (glob.charAt(at) == '*') {
                expression.append("[^.]*");
                at++;
            } else if (glob.charAt(at) == '{' && range.find(at) && range.start() == at) {
                expression.append(numbers(glob, range.group(1), range.group(2)));
                at = range.end();
            } else if (glob.charAt(at) == '{' || glob.charAt(at) == '}') {
                throw new IllegalArgumentException(glob + ": a brace must belong to a range such as {0..3}");
            } else {
                expression.append(Pattern.quote(glob.substring(at, at + 1)));
                at++;
            }
        }
        return new NamePattern(glob, Pattern.compile(expression.toString()));
    }

    public boolean matches(String name) {
        return pattern.matches(name);
    }

    /** As it was written. */
    @Override
    public String toString() {
        return written;
    }

    private static String numbers(String glob, String first, String last) {
        int from = Integer.parseInt(first);
        int until = Integer.parseInt(last);
        if (from > until || until - from >= MAX_RANGE) {
            throw new IllegalArgumentException("%s: the range {%d..%d} must go up, over at most %d numbers"
                    .formatted(glob, from, until, MAX_RANGE));
        }
        StringBuilder numbers = new StringBuilder("(?:").append(from);
        for (int number = from + 1; number <= until; number++) {
            numbers.append('|').append(number);
        }
        return numbers.append(')').toString();
    }

    private static void refuseTooLarge(String expression) {
        if (expression.length() > MAX_CHARS) {
            throw new IllegalArgumentException("a regular expression of %d characters: at most %d are read"
                    .formatted(expression.length(), MAX_CHARS));
        }
        long repetitions = 1;
        Matcher count = COUNT.matcher(expression);
        while (count.find()) {
            String largest = count.group().replaceAll("^.*,(?=\\d)|[^\\d]", "");
            long times = largest.length() > 4 ? MAX_REPETITIONS + 1 : Long.parseLong("0" + largest);
            repetitions = Math.min(MAX_REPETITIONS + 1, repetitions * Math.max(1, times));
        }
        if (repetitions > MAX_REPETITIONS) {
            throw new IllegalArgumentException(
                    expression + ": its repetition counts multiply to more than " + MAX_REPETITIONS);
        }
    }
}
