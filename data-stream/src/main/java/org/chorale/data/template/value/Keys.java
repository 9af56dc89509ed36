// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigDecimal;
import java.util.Iterator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;

/**
 * What a value is found by in a dict: equal for equal values and comparable within its class, so that a Java map stays
 * fast whatever keys a template picks.
 */
public final class Keys {
    /** A number, a tuple or the like, as a text that tells it from all others. */
    private record Told(String by) implements Comparable<Told> {
        @Override
        public int compareTo(Told other) {
            return by.compareTo(other.by);
        }
    }

    private Keys() {}

    /** Whether a value can be a key: a list or dict cannot, and no tuple that has one. */
    static boolean has(Value value, Budget budget) {
        budget.step();
        if (value instanceof TupleValue tuple) {
            budget.enter();
            boolean all = true;
            for (Iterator<Value> elements = tuple.iterator(); all && elements.hasNext(); ) {
                all = has(elements.next(), budget);
            }
            budget.leave();
            return all;
        }
        return !(value instanceof ListValue || value instanceof DictValue || value instanceof DictView);
    }

    /** The key of a value; a list or dict has none. */
    public static Object of(Value value, Budget budget) {
        if (value instanceof StrValue text) {
            budget.scan(text.text().length());
            return text.text();
        } else if (value instanceof IntValue number && number.isSmall()) {
            return number.small();
        } else if (value instanceof BoolValue truth) {
            return truth.isTrue() ? 1L : 0L;
        } else if (value instanceof FloatValue number && number.value() == Math.rint(number.value())) {
            return of(whole(number.value()), budget);
        } else if (value instanceof IntValue || value instanceof FloatValue || value instanceof TupleValue) {
            TextBuilder out = new TextBuilder(budget);
            tell(value, out, budget);
            return new Told(out.toString());
        } else if (!has(value, budget)) {
            throw TemplateException.operation("unhashable type: '" + value.typeName() + "'");
        }
        return value instanceof UndefinedValue ? UndefinedValue.class : value;
    }

    private static Value whole(double value) {
        return Double.isInfinite(value)
                ? StrValue.of(FloatText.special(value) + "\0") // no other key has this text
                : IntValue.of(new BigDecimal(value).toBigInteger());
    }

    private static void tell(Value value, TextBuilder out, Budget budget) {
        if (value instanceof TupleValue tuple) {
            budget.enter();
            out.append("(");
            for (Iterator<Value> elements = tuple.iterator(); elements.hasNext(); ) {
                budget.step();
                tell(elements.next(), out, budget);
                out.append(",");
            }
            out.append(")");
            budget.leave();
        } else if (value instanceof IntValue number && !number.isSmall()) {
            out.append("i").append(number.big().toString(Character.MAX_RADIX));
        } else if (value instanceof FloatValue number && number.value() != Math.rint(number.value())) {
            out.append("f").append(Double.toString(number.value()));
        } else {
            Object key = of(value, budget);
            String text = key instanceof Told told ? told.by() : key.toString();
            String kind = key instanceof String ? "s" : key instanceof Long ? "i" : "o";
            out.append(kind).append(Integer.toString(text.length())).append(":").append(text);
        }
    }
}
