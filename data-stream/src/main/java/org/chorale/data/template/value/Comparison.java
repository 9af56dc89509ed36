// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigDecimal;
import java.util.Comparator;
import java.util.Iterator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** What Python's comparisons say. */
public final class Comparison {
    private Comparison() {}

    /** {@code a == b}. */
    public static boolean equal(Value a, Value b, Budget budget) {
        budget.step();
        if (a instanceof StrValue left && b instanceof StrValue right) {
            budget.scan(Math.min(left.text().length(), right.text().length()));
            return left.text().equals(right.text());
        } else if (isNumber(a) && isNumber(b)) {
            return compareNumbers(a, b) == 0;
        } else if (a instanceof ListValue left && b instanceof ListValue right) {
            return left.length() == right.length() && allEqual(left.iterator(), right.iterator(), budget);
        } else if (a instanceof TupleValue left && b instanceof TupleValue right) {
            return left.length() == right.length() && allEqual(left.iterator(), right.iterator(), budget);
        } else if (a instanceof DictValue left && b instanceof DictValue right) {
            return left.length() == right.length() && sameEntries(left, right, budget);
        } else if (a instanceof RangeValue left && b instanceof RangeValue right) {
            return left.length() == right.length() && allEqual(left.iterator(), right.iterator(), budget);
        }
        return a == b || (a instanceof UndefinedValue && b instanceof UndefinedValue);
    }

    private static boolean allEqual(Iterator<Value> a, Iterator<Value> b, Budget budget) {
        budget.enter();
        boolean equal = true;
        while (equal && a.hasNext()) {
            equal = same(a.next(), b.next(), budget);
        }
        budget.leave();
        return equal;
    }

    private static boolean sameEntries(DictValue a, DictValue b, Budget budget) {
        budget.enter();
        boolean equal = true;
        for (Iterator<Value> items = a.items(); equal && items.hasNext(); ) {
            TupleValue item = (TupleValue) items.next();
            Value other = b.get(item.elements().get(0), budget);
            equal = other != null && same(item.elements().get(1), other, budget);
        }
        budget.leave();
        return equal;
    }

    /** As elements are compared: one that is the very same is equal, whatever it says. */
    private static boolean same(Value a, Value b, Budget budget) {
        budget.step();
        return a == b || equal(a, b, budget);
    }

    /** The order of two values; -2 where NaN has none. Values without an order are refused in Python's words. */
    public static int order(Value a, Value b, String operator, Budget budget) {
        budget.step();
        Operators.requireDefined(a, b);
        if (a instanceof StrValue left && b instanceof StrValue right) {
            budget.scan(Math.min(left.text().length(), right.text().length()));
            return compareTexts(left.text(), right.text());
        } else if (isNumber(a) && isNumber(b)) {
            return compareNumbers(a, b);
        } else if (a instanceof ListValue left && b instanceof ListValue right) {
            return orderOfElements(left, right, operator, budget);
        } else if (a instanceof TupleValue left && b instanceof TupleValue right) {
            return orderOfElements(left, right, operator, budget);
        }
        throw TemplateException.operation("'%s' not supported between instances of '%s' and '%s'"
                .formatted(operator, a.typeName(), b.typeName()));
    }

    /** The order that {@code sorted} goes by. */
    public static Comparator<Value> ordering(Budget budget) {
        return (a, b) -> Math.max(-1, order(a, b, "<", budget));
    }

    private static int orderOfElements(Value a, Value b, String operator, Budget budget) {
        budget.enter();
        Iterator<Value> left = a.iterator();
        Iterator<Value> right = b.iterator();
        int order = Integer.compare(a.length(), b.length());
        while (left.hasNext() && right.hasNext()) {
            Value x = left.next();
            Value y = right.next();
            if (!same(x, y, budget)) {
                order = order(x, y, operator, budget);
                break;
            }
        }
        budget.leave();
        return order;
    }

    /** By code points: Java's own order has the characters beyond the basic plane in between. */
    private static int compareTexts(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean xBeyond = Character.isSurrogate(x);
                return xBeyond == Character.isSurrogate(y) ? Integer.compare(x, y) : xBeyond ? 1 : -1;
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    static boolean isNumber(Value value) {
        return value instanceof IntValue || value instanceof FloatValue || value instanceof BoolValue;
    }

    private static int compareNumbers(Value a, Value b) {
        IntValue x = Operators.asInt(a);
        IntValue y = Operators.asInt(b);
        if (x != null && y != null) {
            return x.isSmall() && y.isSmall()
                    ? Long.compare(x.small(), y.small())
                    : x.big().compareTo(y.big());
        }
        double left = x == null ? ((FloatValue) a).value() : 0;
        double right = y == null ? ((FloatValue) b).value() : 0;
        if (Double.isNaN(left) || Double.isNaN(right)) {
            return -2;
        } else if (Double.isInfinite(left) || Double.isInfinite(right) || (x == null && y == null)) {
            return left < right ? -1 : left > right ? 1 : 0;
        }
        return exact(a, x).compareTo(exact(b, y));
    }

    private static BigDecimal exact(Value value, @Nullable IntValue whole) {
        return whole == null ? new BigDecimal(((FloatValue) value).value()) : new BigDecimal(whole.big());
    }

    /** {@code item in container}. */
    public static boolean contains(Value container, Value item, Budget budget) {
        if (container instanceof StrValue text) {
            if (!(item instanceof StrValue part)) {
                throw TemplateException.operation(
                        "'in <string>' requires string as left operand, not " + item.typeName());
            }
            return Search.indexOf(text.text(), part.text(), 0, budget) >= 0;
        } else if (container instanceof DictValue dict) {
            return dict.get(item, budget) != null;
        } else if (container instanceof DictView view && view.part() == DictView.Part.KEYS) {
            return view.dict().get(item, budget) != null;
        } else if (container instanceof RangeValue range && Operators.asInt(item) != null) {
            return range.has(Bound.integer(item));
        } else if (!container.isIterable()) {
            throw TemplateException.operation("argument of type '" + container.typeName() + "' is not iterable");
        }
        for (Iterator<Value> elements = container.iterator(); elements.hasNext(); ) {
            if (same(elements.next(), item, budget)) {
                return true;
            }
        }
        return false;
    }
}
