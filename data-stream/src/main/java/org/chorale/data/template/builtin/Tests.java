// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.HashMap;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Comparison;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.FloatValue;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.Keys;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Subscript;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The tests by name. */
public final class Tests {
    /** Whole numbers up to this are one object each in Python. */
    private static final int LARGEST_SHARED = 256;

    private static final Map<String, Test> ALL = new HashMap<>();

    static {
        kind("defined", value -> !(value instanceof UndefinedValue));
        kind("undefined", UndefinedValue.class::isInstance);
        kind("none", value -> value == NoneValue.NONE);
        kind("boolean", BoolValue.class::isInstance);
        kind("true", value -> value == BoolValue.TRUE);
        kind("false", value -> value == BoolValue.FALSE);
        kind("integer", IntValue.class::isInstance);
        kind("float", FloatValue.class::isInstance);
        kind("number", value -> value instanceof FloatValue || Operators.asInt(value) != null);
        kind("string", StrValue.class::isInstance);
        kind("mapping", DictValue.class::isInstance);
        kind(
                "sequence",
                value -> Subscript.isSequence(value) || value instanceof DictValue || value instanceof UndefinedValue);
        kind("iterable", Value::isIterable);
        kind("callable", Value::isCallable);
        kind("escaped", value -> value instanceof StrValue text && text.isMarkup());
        ask(
                "filter",
                (value, arguments, budget) ->
                        Keys.of(value, budget) instanceof String name && Filters.find(name) != null);
        ask(
                "test",
                (value, arguments, budget) -> Keys.of(value, budget) instanceof String name && ALL.containsKey(name));
        ask("lower", (value, arguments, budget) -> TextCase.isLower(value.text(budget)));
        ask("upper", (value, arguments, budget) -> TextCase.isUpper(value.text(budget)));
        ask("odd", (value, arguments, budget) -> leaves(value, IntValue.of(2), 1, budget));
        ask("even", (value, arguments, budget) -> leaves(value, IntValue.of(2), 0, budget));
        ask("divisibleby", (value, arguments, budget) -> leaves(value, arguments.get(0), 0, budget), "num");
        ask("sameas", (value, arguments, budget) -> isSame(value, arguments.get(0)), "other");
        ask("in", (value, arguments, budget) -> Comparison.contains(arguments.get(0), value, budget), "seq");
        for (String name : new String[] {"eq", "equalto", "=="}) {
            ask(name, (value, arguments, budget) -> Comparison.equal(value, arguments.get(0), budget), "other");
        }
        for (String name : new String[] {"ne", "!="}) {
            ask(name, (value, arguments, budget) -> !Comparison.equal(value, arguments.get(0), budget), "other");
        }
        ordered("<", order -> order == -1, "lt", "lessthan");
        ordered("<=", order -> order == -1 || order == 0, "le");
        ordered(">", order -> order > 0, "gt", "greaterthan");
        ordered(">=", order -> order >= 0, "ge");
    }

    private Tests() {}

    public static @Nullable Test find(String name) {
        return ALL.get(name);
    }

    /** A test that is only looked for while rendering. */
    static Test require(String name) {
        Test test = ALL.get(name);
        if (test == null) {
            throw TemplateException.operation("No test named '" + name + "'.");
        }
        return test;
    }

    private static void kind(String name, Predicate<Value> body) {
        ask(name, (value, arguments, budget) -> body.test(value));
    }

    private static void ask(String name, Test.Body body, String... parameters) {
        ALL.put(name, Test.of(name, body, parameters));
    }

    private static void ordered(String operator, IntPredicate holds, String... names) {
        Test.Body body =
                (value, arguments, budget) -> holds.test(Comparison.order(value, arguments.get(0), operator, budget));
        ask(operator, body, "other");
        for (String name : names) {
            ask(name, body, "other");
        }
    }

    private static boolean leaves(Value value, Value divisor, int rest, Budget budget) {
        return Comparison.equal(Operators.modulo(value, divisor, budget), IntValue.of(rest), budget);
    }

    private static boolean isSame(Value a, Value b) {
        return a == b
                || (a instanceof IntValue x
                        && b instanceof IntValue y
                        && x.isSmall()
                        && y.isSmall()
                        && x.small() == y.small()
                        && Math.abs(x.small()) <= LARGEST_SHARED);
    }
}
