// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Locale;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** What Python's {@code int}, {@code float} and {@code round} make of values. */
public final class Numbers {
    private Numbers() {}

    /** {@code int(value)} of a float. */
    public static IntValue truncated(double value) {
        if (Double.isNaN(value)) {
            throw TemplateException.operation("cannot convert float NaN to integer");
        } else if (Double.isInfinite(value)) {
            throw TemplateException.operation("cannot convert float infinity to integer");
        }
        return Math.abs(value) < 1L << 62
                ? IntValue.of((long) value)
                : IntValue.of(new BigDecimal(value).toBigInteger());
    }

    /** {@code int(text, base)}; null where the text is no whole number. Base 0 is told by the text's prefix. */
    public static @Nullable IntValue parseInt(String given, int base) {
        String text = Blanks.strip(given).toLowerCase(Locale.ROOT);
        boolean negative = text.startsWith("-");
        String digits = negative || text.startsWith("+") ? text.substring(1) : text;
        int radix = base;
        int prefix = digits.length() < 2 || digits.charAt(0) != '0' ? 0 : "box".indexOf(digits.charAt(1)) + 1;
        int prefixed = new int[] {0, 2, 8, 16}[prefix];
        if (prefix > 0 && (base == 0 || base == prefixed)) {
            digits = digits.startsWith("_", 2) ? digits.substring(3) : digits.substring(2);
            radix = prefixed;
        } else if (base == 0) {
            radix = 10;
        }
        if (!isDigits(digits, radix)
                || (base == 0 && prefix == 0 && digits.startsWith("0") && !digits.matches("[0_]+"))) {
            return null;
        } else if (digits.length() > IntValue.MAX_DIGITS) {
            throw TemplateException.limit("a whole number has more than " + IntValue.MAX_DIGITS + " digits");
        }
        BigInteger magnitude = new BigInteger(digits.replace("_", ""), radix);
        return IntValue.of(negative ? magnitude.negate() : magnitude);
    }

    /** Digits with single underscores between them. */
    private static boolean isDigits(String digits, int radix) {
        boolean lastIsDigit = false;
        for (int i = 0; i < digits.length(); i++) {
            boolean isDigit = Character.digit(digits.charAt(i), radix) >= 0;
            if (!isDigit && (digits.charAt(i) != '_' || !lastIsDigit)) {
                return false;
            }
            lastIsDigit = isDigit;
        }
        return lastIsDigit;
    }

    /** {@code float(text)}; null where the text is no number. */
    public static @Nullable Double parseFloat(String given) {
        String text = Blanks.strip(given).toLowerCase(Locale.ROOT);
        String magnitude = text.startsWith("-") || text.startsWith("+") ? text.substring(1) : text;
        double sign = text.startsWith("-") ? -1 : 1;
        switch (magnitude) {
            case "inf", "infinity" -> {
                return sign * Double.POSITIVE_INFINITY;
            }
            case "nan" -> {
                return Double.NaN;
            }
            default -> {
                return isDecimal(magnitude) ? sign * Double.parseDouble(magnitude.replace("_", "")) : null;
            }
        }
    }

    /** {@code digits[.digits][e[sign]digits]}, where one side of the point may be empty. */
    private static boolean isDecimal(String text) {
        int letter = text.indexOf('e');
        String mantissa = letter < 0 ? text : text.substring(0, letter);
        String exponent = letter < 0 ? "0" : text.substring(letter + 1);
        int point = mantissa.indexOf('.');
        String whole = point < 0 ? mantissa : mantissa.substring(0, point);
        String fraction = point < 0 ? "" : mantissa.substring(point + 1);
        boolean signed = exponent.startsWith("-") || exponent.startsWith("+");
        return !(whole.isEmpty() && fraction.isEmpty())
                && (whole.isEmpty() || isDigits(whole, 10))
                && (fraction.isEmpty() || isDigits(fraction, 10))
                && isDigits(signed ? exponent.substring(1) : exponent, 10);
    }

    /** {@code round(value, places)}: exact, and halves go to the even neighbour. */
    public static Value round(Value value, long places) {
        IntValue whole = Operators.asInt(value);
        if (whole != null) {
            return places >= 0
                    ? whole
                    : IntValue.of(rounded(new BigDecimal(whole.big()), places).toBigInteger());
        } else if (!(value instanceof FloatValue)) {
            throw TemplateException.operation("type " + value.typeName() + " doesn't define __round__ method");
        }
        double real = ((FloatValue) value).value();
        if (Double.isNaN(real) || Double.isInfinite(real) || places > 1100) {
            return value;
        }
        double result = rounded(new BigDecimal(real), places).doubleValue();
        return new FloatValue(result == 0 ? Math.copySign(0, real) : result);
    }

    private static BigDecimal rounded(BigDecimal value, long places) {
        return places < -IntValue.MAX_DIGITS ? BigDecimal.ZERO : value.setScale((int) places, RoundingMode.HALF_EVEN);
    }
}
