// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayList;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.Numbers;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** What filters go by: {@code attribute='address.city'}, with or without regard to case. */
final class Lookup {
    /** Elements on the way from an item to what is looked up; none stands for the item itself. */
    private final List<Value> path;

    private final boolean ignoreCase;
    private final @Nullable Value otherwise;
    private final Budget budget;

    private Lookup(List<Value> path, boolean ignoreCase, @Nullable Value otherwise, Budget budget) {
        this.path = path;
        this.ignoreCase = ignoreCase;
        this.otherwise = otherwise;
        this.budget = budget;
    }

    /** By one attribute, or by the item itself where it is None. */
    static Lookup of(Value attribute, boolean ignoreCase, Value otherwise, Budget budget) {
        return new Lookup(path(attribute, budget), ignoreCase, otherwise == NoneValue.NONE ? null : otherwise, budget);
    }

    /** By several attributes with commas between them. */
    static List<Lookup> several(Value attributes, boolean ignoreCase, Budget budget) {
        List<Lookup> lookups = new ArrayList<>();
        if (attributes instanceof StrValue text) {
            for (String attribute : new TextSplit(text.text(), Integer.MAX_VALUE, budget).at(",")) {
                lookups.add(of(StrValue.of(attribute), ignoreCase, NoneValue.NONE, budget));
            }
        } else {
            lookups.add(of(attributes, ignoreCase, NoneValue.NONE, budget));
        }
        return lookups;
    }

    private static List<Value> path(Value attribute, Budget budget) {
        if (attribute == NoneValue.NONE) {
            return List.of();
        } else if (!(attribute instanceof StrValue text)) {
            return List.of(attribute);
        } else {
            List<Value> path = new ArrayList<>();
            for (String part : new TextSplit(text.text(), Integer.MAX_VALUE, budget).at(".")) {
                IntValue index = TextCase.all(part, Character::isDigit) ? Numbers.parseInt(part, 10) : null;
                path.add(index == null ? StrValue.of(part) : index);
            }
            return path;
        }
    }

    Value of(Value item) {
        Value found = item;
        for (Value part : path) {
            budget.step();
            found = Attributes.bracket(found, part, budget);
            if (found instanceof UndefinedValue && otherwise != null) {
                found = otherwise;
            }
        }
        return ignoreCase && found instanceof StrValue text
                ? StringMethods.call(text, "lower", Arguments.NONE, budget)
                : found;
    }

    /** What several lookups find, as one list that can be compared. */
    static ListValue all(List<Lookup> lookups, Value item) {
        List<Value> keys = new ArrayList<>(lookups.size());
        lookups.forEach(lookup -> keys.add(lookup.of(item)));
        return new ListValue(keys);
    }
}
