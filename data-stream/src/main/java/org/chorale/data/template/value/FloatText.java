// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/** Floats as Python writes them. */
final class FloatText {
    /** A double is a decimal of at most so many digits behind the point; zeros follow. */
    private static final int MAX_EXACT_DIGITS = 1100;

    /** How many digits are handled to find the shortest that tell a double. */
    static final int REPR_DIGITS = 512;

    private FloatText() {}

    /** The shortest decimal that is nearest to this double and no other. */
    static String repr(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return special(value);
        } else if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal shortest = shortest(value);
        String digits = shortest.unscaledValue().abs().toString();
        int exponent = digits.length() - shortest.scale() - 1; // of the first digit
        String sign = value < 0 ? "-" : "";
        if (exponent < -4 || exponent >= 16) {
            return sign + scientific(digits, exponent, 'e');
        }
        String plain = shortest.abs().toPlainString();
        return sign + (plain.contains(".") ? plain : plain + ".0");
    }

    static String special(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        return value > 0 ? "inf" : "-inf";
    }

    /** Java 17 writes some doubles with a digit too many, or one that is not the nearest. */
    private static BigDecimal shortest(double value) {
        BigDecimal exact = new BigDecimal(value);
        BigDecimal best = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        BigDecimal shorter = nearest(exact, best.precision(), value);
        while (shorter != null) {
            best = shorter.stripTrailingZeros();
            shorter = best.precision() > 1 ? nearest(exact, best.precision() - 1, value) : null;
        }
        return best;
    }

    /** The nearest decimal of so many digits that tells a double; null where none does. */
    private static @Nullable BigDecimal nearest(BigDecimal exact, int digits, double value) {
        BigDecimal near = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
        if (near.doubleValue() == value) {
            return near;
        }
        // At a power of two, the doubles towards zero are closer together: a farther decimal may tell it alone.
        BigDecimal far = exact.round(new MathContext(digits, RoundingMode.UP));
        return far.doubleValue() == value ? far : null;
    }

    /** {@code d.ddde+xx}. */
    private static String scientific(String digits, int exponent, char letter) {
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        String power = Math.abs(exponent) < 10 ? "0" + Math.abs(exponent) : Integer.toString(Math.abs(exponent));
        return digits.charAt(0) + fraction + letter + (exponent < 0 ? "-" : "+") + power;
    }

    /** {@code %.<places>f} of a number that is not negative. */
    static String fixed(double value, int places) {
        int exact = Math.min(places, MAX_EXACT_DIGITS);
        String text =
                new BigDecimal(value).setScale(exact, RoundingMode.HALF_EVEN).toPlainString();
        return text + "0".repeat(places - exact);
    }

    /** {@code %.<places>e} of a number that is not negative. */
    static String exponential(double value, int places) {
        int exact = Math.min(places, MAX_EXACT_DIGITS);
        if (value == 0) {
            return scientific("0".repeat(places + 1), 0, 'e');
        }
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(exact + 1, RoundingMode.HALF_EVEN));
        String digits = rounded.unscaledValue().toString();
        int exponent = digits.length() - rounded.scale() - 1;
        return scientific(digits + "0".repeat(places + 1 - digits.length()), exponent, 'e');
    }

    /** {@code %.<digits>g} of a number that is not negative; {@code keepZeros} is the flag {@code #}. */
    static String general(double value, int digits, boolean keepZeros) {
        int significant = Math.max(1, digits);
        if (value == 0) {
            return keepZeros ? fixed(0, significant - 1) : "0";
        }
        int exact = Math.min(significant, MAX_EXACT_DIGITS);
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(exact, RoundingMode.HALF_EVEN));
        int exponent = rounded.precision() - rounded.scale() - 1;
        if (exponent < -4 || exponent >= significant) {
            String text = exponential(value, significant - 1);
            int letter = text.indexOf('e');
            return keepZeros ? text : withoutZeros(text.substring(0, letter)) + text.substring(letter);
        }
        String text = fixed(value, significant - 1 - exponent);
        return keepZeros ? text : withoutZeros(text);
    }

    static String withoutZeros(String text) {
        if (!text.contains(".")) {
            return text;
        }
        int end = text.length();
        while (text.charAt(end - 1) == '0') {
            end--;
        }
        return text.substring(0, text.charAt(end - 1) == '.' ? end - 1 : end);
    }
}
