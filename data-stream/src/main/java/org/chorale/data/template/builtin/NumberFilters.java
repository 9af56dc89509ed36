// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.FloatValue;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.Numbers;
import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** Filters that make and use numbers. */
final class NumberFilters {
    private NumberFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        all.put("abs", Filter.of("abs", (value, arguments, budget) -> Operators.absolute(value)));
        all.put("int", Filter.of("int", NumberFilters::toInt, "default?", "base?"));
        all.put("float", Filter.of("float", NumberFilters::toFloat, "default?"));
        all.put("round", Filter.of("round", NumberFilters::round, "precision?", "method?"));
        all.put("filesizeformat", Filter.of("filesizeformat", NumberFilters::fileSize, "binary?"));
        return all;
    }

    private static Value toInt(Value value, Bound arguments, Budget budget) {
        Value otherwise = arguments.orElse(0, IntValue.ZERO);
        if (value instanceof StrValue text) {
            budget.digits(2L * text.text().length());
            IntValue given = arguments.has(1) ? Operators.asInt(arguments.get(1)) : IntValue.of(10);
            long base = given == null ? -1 : given.clamped();
            IntValue parsed = base == 0 || (base >= 2 && base <= 36) ? Numbers.parseInt(text.text(), (int) base) : null;
            return parsed == null ? truncated(Numbers.parseFloat(text.text()), otherwise) : parsed;
        } else if (value instanceof FloatValue real) {
            return Double.isNaN(real.value()) ? otherwise : Numbers.truncated(real.value());
        } else if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        }
        IntValue number = Operators.asInt(value);
        return number == null ? otherwise : number;
    }

    private static Value truncated(@Nullable Double real, Value otherwise) {
        return real == null || real.isNaN() || real.isInfinite() ? otherwise : Numbers.truncated(real);
    }

    private static Value toFloat(Value value, Bound arguments, Budget budget) {
        Double real = real(value);
        return real == null ? arguments.orElse(0, new FloatValue(0)) : new FloatValue(real);
    }

    private static @Nullable Double real(Value value) {
        if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        } else if (value instanceof StrValue text) {
            return Numbers.parseFloat(text.text());
        } else if (value instanceof FloatValue real) {
            return real.value();
        }
        IntValue number = Operators.asInt(value);
        return number == null ? null : number.toDouble();
    }

    private static Value round(Value value, Bound arguments, Budget budget) {
        long places = arguments.integer(0, 0);
        budget.digits(Math.min(Math.abs(places), IntValue.MAX_DIGITS));
        String method = arguments.has(1) ? arguments.str(1) : "common";
        if (method.equals("common")) {
            return Numbers.round(value, places);
        } else if (!method.equals("ceil") && !method.equals("floor")) {
            throw TemplateException.operation("method must be common, ceil or floor");
        }
        Value scale = Operators.power(IntValue.of(10), IntValue.of(places), budget);
        Value scaled = Operators.multiply(value, scale, budget);
        return Operators.divide(method.equals("ceil") ? ceiling(scaled) : floor(scaled), scale, budget);
    }

    private static Value floor(Value value) {
        return value instanceof FloatValue real ? Numbers.truncated(Math.floor(real.value())) : value;
    }

    private static Value ceiling(Value value) {
        return value instanceof FloatValue real ? Numbers.truncated(Math.ceil(real.value())) : value;
    }

    private static Value fileSize(Value value, Bound arguments, Budget budget) {
        Double bytes = real(value);
        if (bytes == null) {
            throw TemplateException.operation("could not convert to float: " + value.repr(budget));
        }
        boolean binary = arguments.has(0) && arguments.isTrue(0);
        int base = binary ? 1024 : 1000;
        if (bytes == 1) {
            return StrValue.of("1 Byte");
        } else if (bytes < base) {
            return StrValue.of(Numbers.truncated(bytes).digits() + " Bytes");
        }
        String prefixes = binary ? "KMGTPEZY" : "kMGTPEZY";
        int step = 0;
        double unit = base;
        while (step < prefixes.length() - 1 && bytes >= unit * base) {
            unit *= base;
            step++;
        }
        String prefix = prefixes.charAt(step) + (binary ? "iB" : "B");
        return StrValue.of(String.format(Locale.ROOT, "%.1f %s", bytes / unit, prefix));
    }
}
