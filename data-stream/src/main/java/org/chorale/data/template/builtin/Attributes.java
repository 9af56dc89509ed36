// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.Set;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.RangeValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Subscript;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * {@code value.name} and {@code value[key]} as the immutable sandbox of Jinja2 has them. Every attribute is one that stands
 * in this package; there is no way from a value to anything of Java, or to the internals that Python has.
 */
public final class Attributes {
    /** Attributes of every value in Python. The sandbox hides them, and says so. */
    private static final Set<String> HIDDEN = Set.of(
            "__class__",
            "__delattr__",
            "__dir__",
            "__doc__",
            "__eq__",
            "__format__",
            "__ge__",
            "__getattribute__",
            "__getstate__",
            "__gt__",
            "__hash__",
            "__init__",
            "__init_subclass__",
            "__le__",
            "__lt__",
            "__module__",
            "__ne__",
            "__new__",
            "__reduce__",
            "__reduce_ex__",
            "__repr__",
            "__setattr__",
            "__sizeof__",
            "__str__",
            "__subclasshook__");

    private Attributes() {}

    /** {@code value.name}: an attribute, else an element. */
    public static Value dot(Value value, String name) {
        Value attribute = attribute(value, name);
        if (attribute != null) {
            return attribute;
        }
        Value element = value instanceof DictValue dict ? dict.get(name) : null;
        return element == null ? missing(value, name) : element;
    }

    /** {@code value[key]}: an element, else an attribute. */
    public static Value bracket(Value value, Value key, Budget budget) {
        Value element = Subscript.get(value, key, budget);
        if (element == null && key instanceof StrValue name) {
            element = attribute(value, name.text());
        }
        if (element == null) {
            return key instanceof StrValue name
                    ? missing(value, name.text())
                    : UndefinedValue.element(value, key, budget);
        }
        return element;
    }

    /** {@code value|attr(name)}: an attribute and nothing else. */
    static Value attributeOnly(Value value, String name) {
        Value attribute = attribute(value, name);
        return attribute == null ? missing(value, name) : attribute;
    }

    /** What is not there; some of Python's internals would be, and the sandbox would hide them. */
    private static Value missing(Value value, String name) {
        boolean isInternal = name.startsWith("__") && name.endsWith("__");
        return isInternal ? UndefinedValue.unsafe(value, name) : UndefinedValue.attribute(value, name);
    }

    private static @Nullable Value attribute(Value value, String name) {
        if (HIDDEN.contains(name)) {
            return UndefinedValue.unsafe(value, name);
        } else if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        }
        Value attribute = value.attribute(name);
        if (attribute != null && name.startsWith("_")) {
            return UndefinedValue.unsafe(value, name);
        }
        return attribute == null ? method(value, name) : attribute;
    }

    private static @Nullable Value method(Value value, String name) {
        if (value instanceof DictValue dict) {
            return DictMethods.find(dict, name);
        } else if (value instanceof StrValue text) {
            return StringMethods.find(text, name);
        } else if (value instanceof ListValue || value instanceof TupleValue || value instanceof RangeValue) {
            return SequenceMethods.find(value, name);
        }
        return null;
    }
}
