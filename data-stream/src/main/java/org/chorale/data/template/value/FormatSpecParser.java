// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.TemplateException;

/** Reads a {@link FormatSpec}. */
final class FormatSpecParser {
    private static final String ALIGNMENTS = "<>=^";
    private static final String TYPES = "bcdeEfFgGnosxX%";

    /** Wider fields are refused when they are filled; this keeps their width a number. */
    private static final long MAX_WIDTH = 1L << 40;

    private final String spec;
    private int at;

    FormatSpecParser(String spec) {
        this.spec = spec;
    }

    FormatSpec parse() {
        int fill = ' ';
        char align = 0;
        int second = spec.isEmpty() ? 0 : Character.charCount(spec.codePointAt(0));
        if (second < spec.length() && ALIGNMENTS.indexOf(spec.charAt(second)) >= 0) {
            fill = spec.codePointAt(0);
            align = spec.charAt(second);
            at = second + 1;
        } else {
            align = take(ALIGNMENTS);
        }
        char sign = take("+- ");
        take("z");
        boolean alternate = take("#") != 0;
        if (take("0") != 0 && align == 0) {
            fill = '0';
            align = FormatSpec.ZEROS;
        }
        long width = number();
        char grouping = take(",_");
        int precision = take(".") == 0 ? -1 : FormatSpec.precision(precision());
        char type = take(TYPES);
        if (at < spec.length()) {
            throw TemplateException.operation("Invalid format specifier '" + spec + "'");
        }
        return new FormatSpec(fill, align, sign, alternate, width, grouping, precision, type);
    }

    /** The next character if it is one of these; else 0. */
    private char take(String characters) {
        if (at < spec.length() && characters.indexOf(spec.charAt(at)) >= 0) {
            return spec.charAt(at++);
        }
        return 0;
    }

    private long precision() {
        if (at == spec.length() || !Character.isDigit(spec.charAt(at))) {
            throw TemplateException.operation("Format specifier missing precision");
        }
        return number();
    }

    private long number() {
        long number = 0;
        for (char digit = take("0123456789"); digit != 0; digit = take("0123456789")) {
            number = Math.min(MAX_WIDTH, number * 10 + digit - '0');
        }
        return number;
    }
}
