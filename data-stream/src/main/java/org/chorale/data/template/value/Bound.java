// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** The arguments of a call in the order of its parameters. */
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Bound(@Nullable Value[] values) {
    public boolean has(int place) {
        return values[place] != null;
    }

    /** Whether the argument was given, and is not {@code None}. */
    public boolean isSet(int place) {
        return has(place) && values[place] != NoneValue.NONE;
    }

    public Value get(int place) {
        return orElse(place, NoneValue.NONE);
    }

    public Value orElse(int place, Value otherwise) {
        Value value = values[place];
        return value == null ? otherwise : value;
    }

    public boolean isTrue(int place) {
        return get(place).isTrue();
    }

    /** A whole number, clamped to what an index can be. */
    public long integer(int place, long otherwise) {
        return has(place) ? integer(get(place)) : otherwise;
    }

    /** A whole number or a truth value as an index. */
    public static long integer(Value value) {
        IntValue number = Operators.asInt(value);
        if (number == null) {
            throw TemplateException.operation("'" + value.typeName() + "' object cannot be interpreted as an integer");
        }
        return number.clamped();
    }

    /** A text; other kinds of values are refused. */
    public String str(int place) {
        if (get(place) instanceof StrValue text) {
            return text.text();
        }
        throw TemplateException.operation(
                "argument must be str, not " + get(place).typeName());
    }

    /** The argument as {@code str()} gives it. */
    public String text(int place, String otherwise, Budget budget) {
        return has(place) ? get(place).text(budget) : otherwise;
    }
}
