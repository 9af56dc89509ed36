// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.DictView;
import org.chorale.data.template.value.GeneratorValue;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.Keys;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Subscript;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** Filters that go through elements. Those that give elements do so lazily, once, as in Jinja2. */
final class SequenceFilters {
    private SequenceFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        Filter length = Filter.of("length", (value, arguments, budget) -> IntValue.of(value.length()));
        all.put("length", length);
        all.put("count", length);
        all.put("list", Filter.of("list", (value, arguments, budget) -> new ListValue(listed(value, budget))));
        all.put("first", Filter.of("first", SequenceFilters::first));
        all.put("last", Filter.of("last", SequenceFilters::last));
        all.put("join", Filter.of("join", SequenceFilters::join, "d?", "attribute?"));
        all.put("reverse", Filter.of("reverse", SequenceFilters::reverse));
        all.put("sum", Filter.of("sum", SequenceFilters::sum, "attribute?", "start?"));
        all.put("batch", Filter.of("batch", SequenceFilters::batch, "linecount", "fill_with?"));
        all.put("slice", Filter.of("slice", SequenceFilters::slice, "slices", "fill_with?"));
        all.put("unique", Filter.of("unique", SequenceFilters::unique, "case_sensitive?", "attribute?"));
        all.put("map", SequenceFilters::map);
        all.put("select", (value, arguments, budget) -> chosen(value, arguments, true, false, budget));
        all.put("reject", (value, arguments, budget) -> chosen(value, arguments, false, false, budget));
        all.put("selectattr", (value, arguments, budget) -> chosen(value, arguments, true, true, budget));
        all.put("rejectattr", (value, arguments, budget) -> chosen(value, arguments, false, true, budget));
        return all;
    }

    /** The elements of a value in a list of their own. */
    static List<Value> listed(Value value, Budget budget) {
        List<Value> elements = new ArrayList<>();
        for (Iterator<Value> all = value.iterator(); all.hasNext(); ) {
            budget.makeElements(1);
            elements.add(all.next());
        }
        return elements;
    }

    private static Value first(Value value, Bound arguments, Budget budget) {
        Iterator<Value> elements = value.iterator();
        return elements.hasNext() ? elements.next() : UndefinedValue.because("No first item, sequence was empty.");
    }

    private static Value last(Value value, Bound arguments, Budget budget) {
        Value last = null;
        if (Subscript.isSequence(value)) {
            last = Subscript.get(value, IntValue.of(-1), budget);
        } else if (isReversible(value)) {
            for (Value element : listed(value, budget)) {
                last = element;
            }
        } else {
            throw TemplateException.operation("'" + value.typeName() + "' object is not reversible");
        }
        return last == null ? UndefinedValue.because("No last item, sequence was empty.") : last;
    }

    private static boolean isReversible(Value value) {
        return Subscript.isSequence(value)
                || value instanceof DictValue
                || value instanceof DictView
                || value instanceof UndefinedValue;
    }

    private static Value reverse(Value value, Bound arguments, Budget budget) {
        if (value instanceof StrValue text) {
            return Subscript.slice(text, NoneValue.NONE, NoneValue.NONE, IntValue.of(-1), budget);
        } else if (!value.isIterable()) {
            throw TemplateException.operation("argument must be iterable");
        }
        List<Value> elements = listed(value, budget);
        Collections.reverse(elements);
        return isReversible(value)
                ? new GeneratorValue(elements.iterator(), "<list_reverseiterator object>")
                : new ListValue(elements);
    }

    private static Value join(Value value, Bound arguments, Budget budget) {
        String separator = arguments.text(0, "", budget);
        Lookup lookup = Lookup.of(arguments.get(1), false, NoneValue.NONE, budget);
        TextBuilder out = new TextBuilder(budget);
        Iterator<Value> elements = value.iterator();
        for (String before = ""; elements.hasNext(); before = separator) {
            budget.step();
            out.append(before).append(lookup.of(elements.next()).text(budget));
        }
        return StrValue.of(out.toString());
    }

    private static Value sum(Value value, Bound arguments, Budget budget) {
        Lookup lookup = Lookup.of(arguments.get(0), false, NoneValue.NONE, budget);
        Value sum = arguments.orElse(1, IntValue.ZERO);
        if (sum instanceof StrValue) {
            throw TemplateException.operation("sum() can't sum strings [use ''.join(seq) instead]");
        }
        for (Iterator<Value> elements = value.iterator(); elements.hasNext(); ) {
            budget.step();
            sum = Operators.add(sum, lookup.of(elements.next()), budget);
        }
        return sum;
    }

    /** Elements as they come from a source that says when there are no more. */
    private abstract static class Source implements Iterator<Value> {
        private @Nullable Value next;
        private boolean ended;

        /** The next element; null where there is none. */
        abstract @Nullable Value pull();

        @Override
        public boolean hasNext() {
            if (next == null && !ended) {
                next = pull();
                ended = next == null;
            }
            return !ended;
        }

        @Override
        public Value next() {
            Value taken = hasNext() ? next : null;
            if (taken == null) {
                throw new NoSuchElementException();
            }
            next = null;
            return taken;
        }
    }

    private static Value batch(Value value, Bound arguments, Budget budget) {
        Iterator<Value> elements = value.iterator();
        IntValue given = Operators.asInt(arguments.get(0));
        long size = given == null ? -1 : given.clamped(); // a length that is no number is never reached
        return GeneratorValue.of(
                "do_batch",
                new Source() {
                    private boolean first = true;

                    @Override
                    @Nullable
                    Value pull() {
                        if (!elements.hasNext()) {
                            return null;
                        }
                        // Jinja2 gives an empty batch first where none may have an element, and then has all in one.
                        List<Value> batch = new ArrayList<>();
                        boolean endless = size < 0 || (size == 0 && !first);
                        while (elements.hasNext() && (endless || batch.size() < size)) {
                            budget.makeElements(1);
                            batch.add(elements.next());
                        }
                        first = false;
                        fill(batch, arguments, size, budget);
                        return new ListValue(batch);
                    }
                },
                budget);
    }

    private static void fill(List<Value> batch, Bound arguments, long size, Budget budget) {
        if (arguments.isSet(1)) {
            while (batch.size() < size) {
                budget.makeElements(1);
                batch.add(arguments.get(1));
            }
        }
    }

    private static Value slice(Value value, Bound arguments, Budget budget) {
        long slices = arguments.integer(0, 0);
        List<Value> all = listed(value, budget);
        if (slices == 0) {
            throw TemplateException.operation("integer division or modulo by zero");
        }
        return GeneratorValue.of(
                "sync_do_slice",
                new Source() {
                    private long number;
                    private int from;

                    @Override
                    @Nullable
                    Value pull() {
                        if (number >= slices) {
                            return null;
                        }
                        boolean longer = number++ < all.size() % slices;
                        int size = (int) (all.size() / slices) + (longer ? 1 : 0);
                        budget.makeElements(size + 1L);
                        List<Value> slice = new ArrayList<>(all.subList(from, from + size));
                        from += size;
                        if (arguments.isSet(1) && !longer) {
                            slice.add(arguments.get(1));
                        }
                        return new ListValue(slice);
                    }
                },
                budget);
    }

    private static Value unique(Value value, Bound arguments, Budget budget) {
        boolean ignoreCase = !(arguments.has(0) && arguments.isTrue(0));
        Lookup lookup = Lookup.of(arguments.get(1), ignoreCase, NoneValue.NONE, budget);
        Set<Object> seen = new HashSet<>();
        return filtered(
                "sync_do_unique",
                value,
                element -> {
                    budget.makeElements(1);
                    return seen.add(Keys.of(lookup.of(element), budget));
                },
                budget);
    }

    private static Value filtered(String name, Value value, Predicate<Value> keeps, Budget budget) {
        return GeneratorValue.of(
                name,
                new Source() {
                    private @Nullable Iterator<Value> elements;

                    @Override
                    @Nullable
                    Value pull() {
                        if (elements == null) {
                            elements = value.iterator();
                        }
                        while (elements.hasNext()) {
                            budget.step();
                            Value element = elements.next();
                            if (keeps.test(element)) {
                                return element;
                            }
                        }
                        return null;
                    }
                },
                budget);
    }

    /** {@code select}, {@code reject} and the two that test an attribute. */
    private static Value chosen(Value value, Arguments arguments, boolean wanted, boolean byAttribute, Budget budget) {
        Lookup lookup = byAttribute && !arguments.positional().isEmpty()
                ? Lookup.of(arguments.positional().get(0), false, NoneValue.NONE, budget)
                : null;
        Arguments rest = lookup == null ? arguments : arguments.from(1);
        return filtered(
                "select_or_reject",
                empty(value),
                element -> {
                    if (byAttribute && lookup == null) {
                        throw TemplateException.operation("Missing parameter for attribute name");
                    }
                    Value tested = lookup == null ? element : lookup.of(element);
                    if (rest.positional().isEmpty()) {
                        return tested.isTrue() == wanted;
                    }
                    Test test = Tests.require(rest.positional().get(0).text(budget));
                    return test.holds(tested, rest.from(1), budget) == wanted;
                },
                budget);
    }

    /** Jinja2 does not look whether a false value can be gone through. */
    private static Value empty(Value value) {
        return value.isTrue() ? value : new ListValue(List.of());
    }

    private static Value map(Value value, Arguments arguments, Budget budget) {
        return GeneratorValue.of(
                "sync_do_map",
                new Source() {
                    private @Nullable Iterator<Value> elements;
                    private @Nullable UnaryOperator<Value> function;

                    @Override
                    @Nullable
                    Value pull() {
                        if (elements == null || function == null) {
                            elements = empty(value).iterator();
                            function = value.isTrue() ? mapping(arguments, budget) : element -> element;
                        }
                        return elements.hasNext() ? function.apply(elements.next()) : null;
                    }
                },
                budget);
    }

    private static UnaryOperator<Value> mapping(Arguments arguments, Budget budget) {
        Value attribute = arguments.named().get("attribute");
        if (arguments.positional().isEmpty() && attribute != null) {
            for (String name : arguments.named().keySet()) {
                if (!name.equals("attribute") && !name.equals("default")) {
                    throw TemplateException.operation("Unexpected keyword argument '" + name + "'");
                }
            }
            Value otherwise = arguments.named().getOrDefault("default", NoneValue.NONE);
            return Lookup.of(attribute, false, otherwise, budget)::of;
        } else if (arguments.positional().isEmpty()) {
            throw TemplateException.operation("map requires a filter argument");
        }
        Filter filter = Filters.require(arguments.positional().get(0).text(budget));
        return element -> filter.apply(element, arguments.from(1), budget);
    }
}
