// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.Map;
import java.util.Set;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.DictView;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The methods of a dict. */
final class DictMethods {
    /** The sandbox lets no template change a dict. */
    private static final Set<String> CHANGING = Set.of("clear", "pop", "popitem", "setdefault", "update");

    private static final Map<String, Method<DictValue>> METHODS = Map.of(
            "get", Method.of("get", DictMethods::get, "key", "default?"),
            "items", view("items", DictView.Part.ITEMS),
            "keys", view("keys", DictView.Part.KEYS),
            "values", view("values", DictView.Part.VALUES),
            "copy", Method.of("copy", (dict, arguments, budget) -> copy(dict, budget)),
            "fromkeys", Method.unsupported("fromkeys"));

    private DictMethods() {}

    static @Nullable Value find(DictValue dict, String name) {
        Method<DictValue> method = METHODS.get(name);
        if (method != null) {
            return method.of(dict);
        }
        return CHANGING.contains(name) ? UndefinedValue.unsafe(dict, name) : null;
    }

    private static Method<DictValue> view(String name, DictView.Part part) {
        return Method.of(name, (dict, arguments, budget) -> new DictView(dict, part));
    }

    private static Value get(DictValue dict, Bound arguments, Budget budget) {
        Value value = dict.get(arguments.get(0), budget);
        return value == null ? arguments.orElse(1, NoneValue.NONE) : value;
    }

    /** Another dict of the same entries. */
    static DictValue copy(DictValue dict, Budget budget) {
        DictValue copy = new DictValue();
        dict.items().forEachRemaining(item -> {
            TupleValue pair = (TupleValue) item;
            copy.put(pair.elements().get(0), pair.elements().get(1), budget);
        });
        return copy;
    }
}
