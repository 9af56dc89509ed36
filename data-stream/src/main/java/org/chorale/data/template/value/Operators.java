// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** Python's arithmetic, and what it means for texts, lists and tuples. */
public final class Operators {
    /** Numbers count by their hexadecimal digits. */
    private static final int BITS_PER_DIGIT = 4;

    private Operators() {}

    /** A whole number or a truth value as a number; null for anything else. */
    public static @Nullable IntValue asInt(Value value) {
        if (value instanceof IntValue number) {
            return number;
        } else if (value instanceof BoolValue truth) {
            return IntValue.of(truth.isTrue() ? 1 : 0);
        }
        return null;
    }

    public static Value add(Value left, Value right, Budget budget) {
        if (left instanceof StrValue a && right instanceof StrValue b) {
            return joined(a, b, budget);
        } else if (left instanceof ListValue a && right instanceof ListValue b) {
            return new ListValue(joined(a.elements(), b.elements(), budget));
        } else if (left instanceof TupleValue a && right instanceof TupleValue b) {
            return TupleValue.of(joined(a.elements(), b.elements(), budget));
        }
        requireDefined(left, right);
        if (left instanceof StrValue || left instanceof ListValue || left instanceof TupleValue) {
            throw TemplateException.operation("can only concatenate %s (not \"%s\") to %s"
                    .formatted(left.typeName(), right.typeName(), left.typeName()));
        }
        return arithmetic(left, right, "+", budget).add();
    }

    private static StrValue joined(StrValue a, StrValue b, Budget budget) {
        if (a.isMarkup() == b.isMarkup()) {
            budget.makeChars((long) a.text().length() + b.text().length());
            return a.like(a.text().concat(b.text()));
        }
        String left = a.isMarkup() ? a.text() : Markup.escape(a.text(), budget);
        String right = b.isMarkup() ? b.text() : Markup.escape(b.text(), budget);
        budget.makeChars((long) left.length() + right.length());
        return StrValue.markup(left.concat(right));
    }

    private static List<Value> joined(List<Value> a, List<Value> b, Budget budget) {
        budget.makeElements((long) a.size() + b.size());
        List<Value> all = new ArrayList<>(a.size() + b.size());
        all.addAll(a);
        all.addAll(b);
        return all;
    }

    public static Value subtract(Value left, Value right, Budget budget) {
        return arithmetic(left, right, "-", budget).subtract();
    }

    public static Value multiply(Value left, Value right, Budget budget) {
        requireDefined(left, right);
        if (isSequence(left) && asInt(right) != null) {
            return repeated(left, Bound.integer(right), budget);
        } else if (isSequence(right) && asInt(left) != null) {
            return repeated(right, Bound.integer(left), budget);
        } else if (isSequence(left) || isSequence(right)) {
            Value other = isSequence(left) ? right : left;
            throw TemplateException.operation("can't multiply sequence by non-int of type '" + other.typeName() + "'");
        }
        return arithmetic(left, right, "*", budget).multiply();
    }

    private static boolean isSequence(Value value) {
        return value instanceof StrValue || value instanceof ListValue || value instanceof TupleValue;
    }

    private static Value repeated(Value sequence, long times, Budget budget) {
        if (sequence instanceof StrValue text) {
            TextBuilder out = new TextBuilder(budget);
            return text.like(
                    text.text().isEmpty() ? "" : out.repeat(text.text(), times).toString());
        }
        boolean isList = sequence instanceof ListValue;
        List<Value> elements = isList ? ((ListValue) sequence).elements() : ((TupleValue) sequence).elements();
        List<Value> all = List.of();
        if (times > 0 && !elements.isEmpty()) {
            budget.makeElements(times > Integer.MAX_VALUE ? Long.MAX_VALUE : times * elements.size());
            all = new ArrayList<>();
            for (List<Value> copy : Collections.nCopies((int) times, elements)) {
                all.addAll(copy);
            }
        }
        return isList ? new ListValue(all) : TupleValue.of(all);
    }

    public static Value divide(Value left, Value right, Budget budget) {
        return arithmetic(left, right, "/", budget).divide();
    }

    public static Value floorDivide(Value left, Value right, Budget budget) {
        return arithmetic(left, right, "//", budget).floorDivide();
    }

    public static Value modulo(Value left, Value right, Budget budget) {
        if (left instanceof StrValue format) {
            return PercentFormat.format(format, right, budget);
        }
        return arithmetic(left, right, "%", budget).modulo();
    }

    public static Value power(Value left, Value right, Budget budget) {
        budget.digits(IntValue.MAX_BITS / BITS_PER_DIGIT);
        return arithmetic(left, right, "** or pow()", budget).power();
    }

    private static Arithmetic arithmetic(Value left, Value right, String operator, Budget budget) {
        requireDefined(left, right);
        Arithmetic numbers = Arithmetic.of(left, right, operator);
        if (numbers instanceof Arithmetic.Whole whole) {
            budget.digits((whole.a().bitLength() + whole.b().bitLength()) / BITS_PER_DIGIT);
        }
        return numbers;
    }

    public static Value negate(Value value) {
        IntValue number = asInt(operand(value));
        if (number != null) {
            return number.isSmall() && number.small() != Long.MIN_VALUE
                    ? IntValue.of(-number.small())
                    : IntValue.of(number.big().negate());
        } else if (value instanceof FloatValue real) {
            return new FloatValue(-real.value());
        }
        throw TemplateException.operation("bad operand type for unary -: '" + value.typeName() + "'");
    }

    public static Value plus(Value value) {
        IntValue number = asInt(operand(value));
        if (number != null || value instanceof FloatValue) {
            return number == null ? value : number;
        }
        throw TemplateException.operation("bad operand type for unary +: '" + value.typeName() + "'");
    }

    /** A number without its sign. */
    public static Value absolute(Value value) {
        IntValue number = asInt(value);
        if (number != null) {
            BigInteger magnitude = number.big().abs();
            return IntValue.of(magnitude);
        } else if (value instanceof FloatValue real) {
            return new FloatValue(Math.abs(real.value()));
        }
        throw TemplateException.operation("bad operand type for abs(): '" + value.typeName() + "'");
    }

    private static Value operand(Value value) {
        requireDefined(value, value);
        return value;
    }

    static void requireDefined(Value left, Value right) {
        if (left instanceof UndefinedValue missing) {
            throw missing.failure();
        } else if (right instanceof UndefinedValue missing) {
            throw missing.failure();
        }
    }
}
