// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.util.Locale;

/** Finds where a number ends that begins with a digit. Digits may have single underscores between them. */
final class NumberScanner {
    private final String source;
    private final int from;
    private final int end;
    private final boolean isFloat;

    NumberScanner(String source, int from) {
        this.source = source;
        this.from = from;
        int floatEnd = from > 0 && source.charAt(from - 1) == '.' ? -1 : floatEnd();
        isFloat = floatEnd > 0;
        end = isFloat ? floatEnd : integerEnd();
    }

    boolean isFloat() {
        return isFloat;
    }

    int end() {
        return end;
    }

    /** The number without underscores. */
    String text() {
        return source.substring(from, end).replace("_", "").toLowerCase(Locale.ROOT);
    }

    private int floatEnd() {
        int whole = digits(from, 10);
        int fraction = charAt(whole) == '.' ? digits(whole + 1, 10) : -1;
        int mantissa = fraction > whole + 1 ? fraction : whole;
        if (charAt(mantissa) == 'e') {
            int power = mantissa + (charAt(mantissa + 1) == '+' || charAt(mantissa + 1) == '-' ? 2 : 1);
            int powerEnd = digits(power, 10);
            if (powerEnd > power) {
                return powerEnd;
            }
        }
        return mantissa > whole ? mantissa : -1;
    }

    private int integerEnd() {
        if (charAt(from) != '0') {
            return digits(from, 10);
        }
        int radix = switch (charAt(from + 1)) {
            case 'b' -> 2;
            case 'o' -> 8;
            case 'x' -> 16;
            default -> 1; // zeros only
        };
        int first = from + (radix == 1 ? 1 : charAt(from + 2) == '_' ? 3 : 2);
        int last = digits(first, radix);
        return radix == 1 || last > first ? last : from + 1;
    }

    /** The place behind digits with underscores between them. */
    private int digits(int first, int radix) {
        int place = first;
        while (isDigit(charAt(place), radix)
                || (charAt(place) == '_' && place > from && isDigit(charAt(place + 1), radix))) {
            place++;
        }
        return place;
    }

    private static boolean isDigit(char c, int radix) {
        return c < 0x80 && (radix == 1 ? c == '0' : Character.digit(c, radix) >= 0);
    }

    /** The character in lower case; 0 behind the end. */
    private char charAt(int place) {
        return place < source.length() ? Character.toLowerCase(source.charAt(place)) : 0;
    }
}
