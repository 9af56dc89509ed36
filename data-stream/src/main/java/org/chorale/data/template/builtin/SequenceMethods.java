// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.Comparison;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The methods of lists, tuples and ranges. */
final class SequenceMethods {
    /** The sandbox lets no template change a list. */
    private static final Set<String> CHANGING =
            Set.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort");

    private static final Map<String, Method<Value>> METHODS = Map.of(
            "index", Method.of("index", SequenceMethods::index, "value", "start?", "stop?"),
            "count", Method.of("count", SequenceMethods::count, "value"));

    private static final Method<Value> COPY =
            Method.of("copy", (list, arguments, budget) -> new ListValue(List.copyOf(((ListValue) list).elements())));

    private SequenceMethods() {}

    static @Nullable Value find(Value sequence, String name) {
        Method<Value> method = METHODS.get(name);
        if (method != null) {
            return method.of(sequence);
        } else if (!(sequence instanceof ListValue)) {
            return null;
        } else if (name.equals("copy")) {
            return COPY.of(sequence);
        }
        return CHANGING.contains(name) ? UndefinedValue.unsafe(sequence, name) : null;
    }

    private static Value index(Value sequence, Bound arguments, Budget budget) {
        long start = place(arguments.integer(1, 0), sequence);
        long stop = place(arguments.integer(2, Long.MAX_VALUE), sequence);
        int place = 0;
        for (Iterator<Value> elements = sequence.iterator(); elements.hasNext(); place++) {
            Value element = elements.next();
            boolean isEqual = element == arguments.get(0) || Comparison.equal(element, arguments.get(0), budget);
            if (isEqual && place >= start && place < stop) {
                return IntValue.of(place);
            }
        }
        throw TemplateException.operation(arguments.get(0).repr(budget) + " is not in " + sequence.typeName());
    }

    private static long place(long bound, Value sequence) {
        return bound < 0 ? Math.max(0, bound + sequence.length()) : bound;
    }

    private static Value count(Value sequence, Bound arguments, Budget budget) {
        int count = 0;
        for (Iterator<Value> elements = sequence.iterator(); elements.hasNext(); ) {
            Value element = elements.next();
            boolean isEqual = element == arguments.get(0) || Comparison.equal(element, arguments.get(0), budget);
            count += isEqual ? 1 : 0;
        }
        return IntValue.of(count);
    }
}
