// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Locale;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;

/**
 * How a value is written in a field: Python's format specification,
 * {@code [[fill]align][sign][#][0][width][grouping][.precision][type]}.
 *
 * @param width characters at least; 0 where it is not given
 * @param precision -1 where it is not given
 * @param grouping a comma or an underscore; 0 for none
 * @param type 0 where it is not given
 */
public record FormatSpec(
        int fill, char align, char sign, boolean alternate, long width, char grouping, int precision, char type) {
    /** The alignment where a zero stands before the width: numbers are filled behind their sign. */
    static final char ZEROS = '0';

    private static final int MAX_PRECISION = 1 << 20;

    public static FormatSpec parse(String spec) {
        return new FormatSpecParser(spec).parse();
    }

    static int precision(long given) {
        if (given > MAX_PRECISION) {
            throw TemplateException.limit("a precision is larger than " + MAX_PRECISION);
        }
        return (int) given;
    }

    /** A value as {@code format(value, spec)} writes it. */
    public String format(Value value, Budget budget) {
        boolean isText = !Comparison.isNumber(value) || (value instanceof BoolValue && isPlain());
        if (isText && !(value instanceof StrValue) && !isPlain()) {
            throw TemplateException.operation(
                    "unsupported format string passed to " + value.typeName() + ".__format__");
        }
        return isText ? text(value.text(budget), budget) : number(value, budget);
    }

    private boolean isPlain() {
        return width == 0 && precision < 0 && type == 0 && align == 0 && sign == 0 && !alternate && grouping == 0;
    }

    private String text(String text, Budget budget) {
        if (type != 0 && type != 's') {
            throw unknownType("str");
        } else if (sign != 0) {
            throw TemplateException.operation("Sign not allowed in string format specifier");
        } else if (align == '=') {
            throw TemplateException.operation("'=' alignment not allowed in string format specifier");
        }
        boolean cut = precision >= 0 && text.codePointCount(0, text.length()) > precision;
        return padded("", cut ? text.substring(0, text.offsetByCodePoints(0, precision)) : text, '<', budget);
    }

    private String number(Value value, Budget budget) {
        IntValue whole = Operators.asInt(value);
        if (whole != null && "eEfFgG%".indexOf(type) < 0) {
            return whole(whole, budget);
        }
        double real = whole == null ? ((FloatValue) value).value() : whole.toDouble();
        boolean negative = real < 0 || (real == 0 && 1 / real < 0);
        String digits = real(Math.abs(real), budget);
        return padded(sign(negative), grouped(digits, 3), '>', budget);
    }

    private String whole(IntValue value, Budget budget) {
        if (precision >= 0) {
            throw TemplateException.operation("Precision not allowed in integer format specifier");
        }
        if (grouping == ',' && "cnboxX".indexOf(type) >= 0 && type != 0) {
            throw TemplateException.operation("Cannot specify ',' with '" + type + "'.");
        }
        budget.digits(value.big().bitLength() / 4);
        boolean negative = value.big().signum() < 0;
        String prefix = sign(negative) + (alternate && "boxX".indexOf(type) >= 0 && type != 0 ? "0" + type : "");
        IntValue magnitude = negative ? (IntValue) Operators.negate(value) : value;
        return switch (type) {
            case 0, 'd', 'n' -> padded(prefix, grouped(magnitude.digits(), 3), '>', budget);
            case 'c' -> padded("", character(value), '<', budget);
            case 'b' -> padded(prefix, grouped(magnitude.big().toString(2), 4), '>', budget);
            case 'o' -> padded(prefix, grouped(magnitude.big().toString(8), 4), '>', budget);
            case 'x' -> padded(prefix, grouped(magnitude.big().toString(16), 4), '>', budget);
            case 'X' -> padded(prefix, grouped(magnitude.big().toString(16).toUpperCase(Locale.ROOT), 4), '>', budget);
            default -> throw unknownType("int");
        };
    }

    static String character(IntValue value) {
        if (!value.isSmall() || !Character.isValidCodePoint((int) value.clamped()) || value.small() > 0x10ffff) {
            throw TemplateException.operation("%c arg not in range(0x110000)");
        }
        return Character.toString((int) value.small());
    }

    /** A float without its sign. */
    private String real(double value, Budget budget) {
        budget.makeChars(Math.max(0, precision));
        budget.digits(FloatText.REPR_DIGITS + Math.max(0, precision));
        int places = precision < 0 ? 6 : precision;
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            String text = FloatText.special(value) + (type == '%' ? "%" : "");
            return Character.isUpperCase(type) ? text.toUpperCase(Locale.ROOT) : text;
        }
        return switch (type) {
            case 'f', 'F' -> FloatText.fixed(value, places);
            case 'e' -> FloatText.exponential(value, places);
            case 'E' -> FloatText.exponential(value, places).toUpperCase(Locale.ROOT);
            case 'g', 'n' -> FloatText.general(value, places, alternate);
            case 'G' -> FloatText.general(value, places, alternate).toUpperCase(Locale.ROOT);
            case '%' -> FloatText.fixed(value * 100, places) + "%";
            case 0 -> precision < 0 ? FloatText.repr(value) : withPoint(FloatText.general(value, places, false));
            default -> throw unknownType("float");
        };
    }

    private static String withPoint(String text) {
        return text.contains(".") || text.contains("e") ? text : text + ".0";
    }

    private String sign(boolean negative) {
        if (negative) {
            return "-";
        }
        return sign == '+' || sign == ' ' ? String.valueOf(sign) : "";
    }

    private String grouped(String digits, int size) {
        if (grouping == 0) {
            return digits;
        }
        int whole = 0;
        while (whole < digits.length()
                && Character.digit(digits.charAt(whole), 16) >= 0
                && digits.charAt(whole) != 'e') {
            whole++;
        }
        StringBuilder out = new StringBuilder(digits);
        for (int place = whole - size; place > 0; place -= size) {
            out.insert(place, grouping);
        }
        return out.toString();
    }

    private String padded(String prefix, String text, char usual, Budget budget) {
        long missing = width - prefix.length() - text.codePointCount(0, text.length());
        TextBuilder out = new TextBuilder(budget);
        if (missing <= 0) {
            return out.append(prefix).append(text).toString();
        }
        String filler = Character.toString(fill);
        char side = align == ZEROS ? (usual == '<' ? '<' : '=') : align == 0 ? usual : align;
        return switch (side) {
            case '<' -> out.append(prefix).append(text).repeat(filler, missing).toString();
            case '>' -> out.repeat(filler, missing).append(prefix).append(text).toString();
            case '=' -> out.append(prefix).repeat(filler, missing).append(text).toString();
            default ->
                out.repeat(filler, missing / 2)
                        .append(prefix)
                        .append(text)
                        .repeat(filler, missing - missing / 2)
                        .toString();
        };
    }

    private TemplateException unknownType(String of) {
        return TemplateException.operation("Unknown format code '%s' for object of type '%s'".formatted(type, of));
    }
}
