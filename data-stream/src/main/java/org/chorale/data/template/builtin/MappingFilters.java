// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.GeneratorValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;

/** Filters for attributes, dicts and what is not there. */
final class MappingFilters {
    private MappingFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        Filter otherwise = Filter.of("default", MappingFilters::orDefault, "default_value?", "boolean?");
        all.put("default", otherwise);
        all.put("d", otherwise);
        all.put("items", Filter.of("items", MappingFilters::items));
        all.put("attr", Filter.of("attr", MappingFilters::attribute, "name"));
        return all;
    }

    private static Value orDefault(Value value, Bound arguments, Budget budget) {
        boolean alsoFalse = arguments.has(1) && arguments.isTrue(1);
        boolean isMissing = value instanceof UndefinedValue || (alsoFalse && !value.isTrue());
        return isMissing ? arguments.orElse(0, StrValue.EMPTY) : value;
    }

    private static Value items(Value value, Bound arguments, Budget budget) {
        if (value instanceof UndefinedValue) {
            return GeneratorValue.of("do_items", Collections.emptyIterator(), budget);
        } else if (value instanceof DictValue dict) {
            return GeneratorValue.of("do_items", dict.items(), budget);
        }
        throw TemplateException.operation("Can only get item pairs from a mapping.");
    }

    private static Value attribute(Value value, Bound arguments, Budget budget) {
        return Attributes.attributeOnly(value, arguments.str(0));
    }

    /** The two elements of a value that must have two. */
    static List<Value> pair(Value value) {
        Iterator<Value> elements = value.iterator();
        Value first = elements.hasNext() ? elements.next() : null;
        Value second = elements.hasNext() ? elements.next() : null;
        if (first == null || second == null || elements.hasNext()) {
            throw TemplateException.operation("a pair of two values is needed");
        }
        return List.of(first, second);
    }
}
