// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.ArrayList;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** {@code value[key]} and {@code value[start:stop:step]}. */
public final class Subscript {
    private Subscript() {}

    /** The element; null where there is none, or the value has no elements. */
    public static @Nullable Value get(Value value, Value key, Budget budget) {
        if (value instanceof DictValue dict) {
            return Keys.has(key, budget) ? dict.get(key, budget) : null;
        } else if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        }
        IntValue index = Operators.asInt(key);
        if (index == null || !isSequence(value)) {
            return null;
        }
        long place = index.clamped() < 0 ? index.clamped() + value.length() : index.clamped();
        return place < 0 || place >= value.length() ? null : at(value, (int) place, budget);
    }

    /** Whether a value has elements in an order, with indices. */
    public static boolean isSequence(Value value) {
        return value instanceof StrValue
                || value instanceof ListValue
                || value instanceof TupleValue
                || value instanceof RangeValue;
    }

    private static Value at(Value value, int place, Budget budget) {
        if (value instanceof ListValue list) {
            return list.elements().get(place);
        } else if (value instanceof TupleValue tuple) {
            return tuple.elements().get(place);
        } else if (value instanceof RangeValue range) {
            return range.at(place);
        }
        budget.walk(place);
        return ((StrValue) value).slice(place, place + 1);
    }

    /** A slice, whose bounds are {@code None} where they are left out. */
    public static Value slice(Value value, Value start, Value stop, Value step, Budget budget) {
        Operators.requireDefined(value, value);
        if (!isSequence(value)) {
            throw TemplateException.operation(
                    value instanceof DictValue
                            ? "unhashable type: 'slice'"
                            : "'" + value.typeName() + "' object is not subscriptable");
        }
        long stride = step == NoneValue.NONE ? 1 : bound(step);
        if (stride == 0) {
            throw TemplateException.operation("slice step cannot be zero");
        }
        int length = value.length();
        long lowest = stride > 0 ? 0 : -1;
        long from = start == NoneValue.NONE ? (stride > 0 ? 0 : length - 1) : place(bound(start), length, lowest);
        long until = stop == NoneValue.NONE ? (stride > 0 ? length : -1) : place(bound(stop), length, lowest);
        return cut(value, from, until, Math.max(-Integer.MAX_VALUE, Math.min(Integer.MAX_VALUE, stride)), budget);
    }

    private static long bound(Value value) {
        Operators.requireDefined(value, value);
        IntValue number = Operators.asInt(value);
        if (number == null) {
            throw TemplateException.operation("slice indices must be integers or None or have an __index__ method");
        }
        return number.clamped();
    }

    /** A bound counted from the end where it is negative, and moved into the value. */
    private static long place(long bound, int length, long lowest) {
        long place = bound < 0 ? Math.max(bound, -length - 1L) + length : bound;
        return Math.max(lowest, Math.min(place, length + lowest));
    }

    private static Value cut(Value value, long from, long until, long stride, Budget budget) {
        RangeValue places = RangeValue.of(from, until, stride);
        if (value instanceof StrValue text) {
            budget.walk(text.length() == text.text().length() ? 0 : text.length());
            return stride == 1 ? contiguous(text, places, budget) : text.like(picked(text, places, budget));
        } else if (value instanceof RangeValue range) {
            return RangeValue.of(
                    range.start() + from * range.step(), range.start() + until * range.step(), range.step() * stride);
        }
        budget.makeElements(places.length());
        List<Value> elements = new ArrayList<>(places.length());
        for (int i = 0; i < places.length(); i++) {
            elements.add(at(value, (int) (from + i * stride), budget));
        }
        return value instanceof ListValue ? new ListValue(elements) : TupleValue.of(elements);
    }

    private static StrValue contiguous(StrValue text, RangeValue places, Budget budget) {
        if (places.length() == 0) {
            return text.like("");
        }
        budget.makeChars(places.length());
        return text.slice((int) places.start(), (int) places.stop());
    }

    private static String picked(StrValue text, RangeValue places, Budget budget) {
        budget.makeElements(text.length());
        int[] characters = text.text().codePoints().toArray();
        TextBuilder out = new TextBuilder(budget);
        for (int i = 0; i < places.length(); i++) {
            out.appendCodePoint(characters[(int) (places.start() + i * places.step())]);
        }
        return out.toString();
    }
}
