// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.List;
import java.util.Locale;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;

/** {@code format % values}, as C's printf has it. */
final class PercentFormat {
    private final String format;
    private final boolean markup;
    private final Value values;
    private final List<Value> positional;
    private final Budget budget;
    private final TextBuilder out;
    private int at;
    private int used;
    private boolean named;

    private PercentFormat(StrValue format, Value values, Budget budget) {
        this.format = format.text();
        this.markup = format.isMarkup();
        this.values = values;
        this.positional = values instanceof TupleValue tuple ? tuple.elements() : List.of(values);
        this.budget = budget;
        this.out = new TextBuilder(budget);
    }

    static Value format(StrValue format, Value values, Budget budget) {
        return format.like(new PercentFormat(format, values, budget).run());
    }

    private String run() {
        while (at < format.length()) {
            int percent = format.indexOf('%', at);
            int end = percent < 0 ? format.length() : percent;
            out.append(format, at, end);
            at = end + 1;
            if (percent >= 0) {
                field();
            }
        }
        // What can be subscripted may be there for names, of which there need be none.
        boolean ignorable = named
                || values instanceof DictValue
                || values instanceof ListValue
                || values instanceof RangeValue
                || values instanceof UndefinedValue;
        if (used < positional.size() && !ignorable) {
            throw TemplateException.operation("not all arguments converted during string formatting");
        }
        return out.toString();
    }

    private void field() {
        budget.step();
        Value value = at < format.length() && format.charAt(at) == '(' ? byName() : null;
        String flags = flags();
        long width = number();
        boolean left = flags.contains("-") || width < 0;
        int precision = -1;
        if (at < format.length() && format.charAt(at) == '.') {
            at++;
            precision = FormatSpec.precision(Math.max(0, number()));
        }
        while (at < format.length() && "hlL".indexOf(format.charAt(at)) >= 0) {
            at++;
        }
        if (at == format.length()) {
            throw TemplateException.operation("incomplete format");
        }
        char type = format.charAt(at++);
        if (type == '%') {
            out.append('%');
            return;
        }
        write(value == null ? next() : value, flags, left, Math.abs(width), precision, type);
    }

    private Value byName() {
        int depth = 1;
        int from = ++at;
        while (at < format.length() && depth > 0) {
            depth += format.charAt(at) == '(' ? 1 : format.charAt(at) == ')' ? -1 : 0;
            at++;
        }
        if (depth > 0) {
            throw TemplateException.operation("incomplete format key");
        } else if (!(values instanceof DictValue dict)) {
            throw TemplateException.operation("format requires a mapping");
        } else {
            named = true;
            String key = format.substring(from, at - 1);
            Value value = dict.get(key);
            if (value == null) {
                throw TemplateException.operation("key '" + key + "' is not there");
            }
            return value;
        }
    }

    private String flags() {
        int from = at;
        while (at < format.length() && "#0- +".indexOf(format.charAt(at)) >= 0) {
            at++;
        }
        return format.substring(from, at);
    }

    private long number() {
        if (at < format.length() && format.charAt(at) == '*') {
            at++;
            return Bound.integer(next());
        }
        long number = 0;
        while (at < format.length() && format.charAt(at) >= '0' && format.charAt(at) <= '9') {
            number = Math.min(1L << 40, number * 10 + format.charAt(at++) - '0');
        }
        return number;
    }

    private Value next() {
        if (used == positional.size()) {
            throw TemplateException.operation("not enough arguments for format string");
        }
        return positional.get(used++);
    }

    private void write(Value value, String flags, boolean left, long width, int precision, char type) {
        boolean isText = "srac".indexOf(type) >= 0;
        boolean isReal = "eEfFgG".indexOf(type) >= 0;
        char sign = flags.contains("+") ? '+' : flags.contains(" ") ? ' ' : (char) 0;
        boolean zeros = flags.contains("0") && !left && !isText;
        Value converted = converted(value, type);
        if (!isText && !isReal && precision >= 0) { // so many digits, and the width around them
            boolean signed = sign != 0 || ((IntValue) converted).big().signum() < 0;
            FormatSpec digits = new FormatSpec(
                    '0', '=', sign, flags.contains("#"), precision + (signed ? 1L : 0), (char) 0, -1, plain(type));
            converted = StrValue.of(digits.format(converted, budget));
            isText = true;
        }
        FormatSpec spec = new FormatSpec(
                zeros ? '0' : ' ',
                left ? '<' : zeros && !isText ? '=' : '>',
                isText ? 0 : sign,
                flags.contains("#"),
                width,
                (char) 0,
                isReal || "sra".indexOf(type) >= 0 ? precision : -1,
                isText ? 's' : plain(type));
        out.append(spec.format(converted, budget));
    }

    /** The type that a format specification has for a conversion of numbers. */
    private static char plain(char type) {
        return type == 'i' || type == 'u' ? 'd' : type;
    }

    private Value converted(Value value, char type) {
        return switch (type) {
            case 's' -> StrValue.of(escaped(value, value.text(budget)));
            case 'r' -> StrValue.of(escaped(value, value.repr(budget)));
            case 'a' -> StrValue.of(escaped(value, TextRepr.ascii(value.repr(budget))));
            case 'c' -> StrValue.of(character(value));
            case 'd', 'i', 'u' -> whole(value, true, type);
            case 'x', 'X', 'o' -> whole(value, false, type);
            case 'e', 'E', 'f', 'F', 'g', 'G' -> real(value);
            default -> {
                String code = Integer.toHexString(type).toLowerCase(Locale.ROOT);
                throw TemplateException.operation(
                        "unsupported format character '%s' (0x%s) at index %d".formatted(type, code, at - 1));
            }
        };
    }

    private String escaped(Value value, String text) {
        boolean safe = !markup || (value instanceof StrValue other && other.isMarkup());
        return safe ? text : Markup.escape(text, budget);
    }

    private static String character(Value value) {
        IntValue number = Operators.asInt(value);
        if (number != null) {
            return FormatSpec.character(number);
        } else if (value instanceof StrValue text && text.length() == 1) {
            return text.text();
        }
        throw TemplateException.operation("%c requires int or char");
    }

    private static Value whole(Value value, boolean cut, char type) {
        if (cut && value instanceof FloatValue real) {
            return Numbers.truncated(real.value());
        }
        IntValue number = Operators.asInt(value);
        if (number == null) {
            Operators.requireDefined(value, value);
            throw TemplateException.operation("%%%s format: %s is required, not %s"
                    .formatted(type, cut ? "a real number" : "an integer", value.typeName()));
        }
        return number;
    }

    private static Value real(Value value) {
        IntValue number = Operators.asInt(value);
        if (number == null && !(value instanceof FloatValue)) {
            Operators.requireDefined(value, value);
            throw TemplateException.operation("must be real number, not " + value.typeName());
        }
        return number == null ? value : new FloatValue(number.toDouble());
    }
}
