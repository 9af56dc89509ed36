// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.Comparison;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.DictView;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;

/** Filters that go by the order of elements. */
final class OrderFilters {
    private record Keyed(Value key, Value element) {}

    private OrderFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        all.put("sort", Filter.of("sort", OrderFilters::sort, "reverse?", "case_sensitive?", "attribute?"));
        all.put("dictsort", Filter.of("dictsort", OrderFilters::dictSort, "case_sensitive?", "by?", "reverse?"));
        all.put("groupby", Filter.of("groupby", OrderFilters::groupBy, "attribute", "default?", "case_sensitive?"));
        all.put(
                "min",
                Filter.of(
                        "min",
                        (value, arguments, budget) -> extreme(value, arguments, -1, budget),
                        "case_sensitive?",
                        "attribute?"));
        all.put(
                "max",
                Filter.of(
                        "max",
                        (value, arguments, budget) -> extreme(value, arguments, 1, budget),
                        "case_sensitive?",
                        "attribute?"));
        return all;
    }

    private static boolean isTrue(Bound arguments, int place) {
        return arguments.has(place) && arguments.isTrue(place);
    }

    private static Value sort(Value value, Bound arguments, Budget budget) {
        List<Lookup> lookups = Lookup.several(arguments.get(2), !isTrue(arguments, 1), budget);
        List<Keyed> keyed = new ArrayList<>();
        for (Value element : SequenceFilters.listed(value, budget)) {
            budget.makeElements(lookups.size());
            keyed.add(new Keyed(Lookup.all(lookups, element), element));
        }
        return new ListValue(sorted(keyed, arguments.integer(0, 0) != 0, budget));
    }

    private static List<Value> sorted(List<Keyed> keyed, boolean reverse, Budget budget) {
        Comparator<Keyed> byKey = Comparator.comparing(Keyed::key, Comparison.ordering(budget));
        try {
            keyed.sort(reverse ? byKey.reversed() : byKey);
        } catch (IllegalArgumentException e) { // found out that the order is none
            throw TemplateException.operation("the values cannot be sorted: nan has no place among numbers");
        }
        List<Value> sorted = new ArrayList<>(keyed.size());
        keyed.forEach(each -> sorted.add(each.element()));
        return sorted;
    }

    private static Value dictSort(Value value, Bound arguments, Budget budget) {
        String by = arguments.has(1) ? arguments.get(1).text(budget) : "key";
        if (!by.equals("key") && !by.equals("value")) {
            throw TemplateException.operation("You can only sort by either \"key\" or \"value\"");
        } else if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        } else if (!(value instanceof DictValue dict)) {
            throw TemplateException.operation("'" + value.typeName() + "' object has no attribute 'items'");
        } else {
            Lookup lookup =
                    Lookup.of(IntValue.of(by.equals("key") ? 0 : 1), !isTrue(arguments, 0), NoneValue.NONE, budget);
            List<Keyed> keyed = new ArrayList<>();
            for (Value item : SequenceFilters.listed(new DictView(dict, DictView.Part.ITEMS), budget)) {
                keyed.add(new Keyed(lookup.of(item), item));
            }
            return new ListValue(sorted(keyed, arguments.integer(2, 0) != 0, budget));
        }
    }

    private static Value groupBy(Value value, Bound arguments, Budget budget) {
        boolean ignoreCase = !isTrue(arguments, 2);
        Lookup lookup = Lookup.of(arguments.get(0), ignoreCase, arguments.get(1), budget);
        List<Keyed> keyed = new ArrayList<>();
        for (Value element : SequenceFilters.listed(value, budget)) {
            keyed.add(new Keyed(lookup.of(element), element));
        }
        Lookup shown = Lookup.of(arguments.get(0), false, arguments.get(1), budget);
        List<Value> groups = new ArrayList<>();
        List<Value> group = List.of();
        Value key = NoneValue.NONE;
        for (Value element : sorted(keyed, false, budget)) {
            Value next = lookup.of(element);
            budget.makeElements(2);
            if (groups.isEmpty() || !Comparison.equal(key, next, budget)) {
                group = new ArrayList<>();
                key = next;
                groups.add(
                        new TupleValue(List.of(shown.of(element), new ListValue(group)), List.of("grouper", "list")));
            }
            group.add(element);
        }
        return new ListValue(groups);
    }

    /** The first of the smallest elements for -1, of the largest for 1. */
    private static Value extreme(Value value, Bound arguments, int sign, Budget budget) {
        Lookup lookup = Lookup.of(arguments.get(1), !isTrue(arguments, 0), NoneValue.NONE, budget);
        Iterator<Value> elements = value.iterator();
        if (!elements.hasNext()) {
            return UndefinedValue.because("No aggregated item, sequence was empty.");
        }
        Value best = elements.next();
        Value bestKey = lookup.of(best);
        while (elements.hasNext()) {
            Value element = elements.next();
            Value key = lookup.of(element);
            if (Comparison.order(key, bestKey, sign < 0 ? "<" : ">", budget) == sign) {
                best = element;
                bestKey = key;
            }
        }
        return best;
    }
}
