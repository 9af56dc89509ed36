// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.time.Clock;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.Function;
import org.chorale.data.template.value.NamespaceValue;
import org.chorale.data.template.value.RangeValue;
import org.chorale.data.template.value.Signature;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Value;

/** The functions that every template can call: those of Jinja2, and the two that Transformers adds. */
public final class Globals {
    /** The sandbox of Jinja2 has no longer ranges. */
    private static final int MAX_RANGE = 100_000;

    private static final Signature RANGE = new Signature("range", "start", "stop?", "step?");
    private static final Signature MESSAGE = new Signature("raise_exception", "message");
    private static final Signature FORMAT = new Signature("strftime_now", "format");
    private static final Signature SEPARATOR = new Signature("joiner", "sep?");

    private Globals() {}

    /** The functions by name, with a clock that says what now is. */
    public static Map<String, Value> all(Clock clock) {
        Map<String, Value> all = new HashMap<>();
        all.put("range", new Function("<function safe_range>", Globals::range));
        all.put("dict", new Function("<class 'dict'>", Globals::dict));
        all.put(
                "namespace",
                new Function(
                        "<class 'jinja2.utils.Namespace'>",
                        (arguments, budget) -> new NamespaceValue(dict(arguments, budget))));
        all.put("cycler", new Function("<class 'jinja2.utils.Cycler'>", (arguments, budget) -> Cycler.of(arguments)));
        all.put(
                "joiner",
                new Function(
                        "<class 'jinja2.utils.Joiner'>",
                        (arguments, budget) ->
                                new Joiner(SEPARATOR.bind(arguments).orElse(0, StrValue.of(", ")))));
        all.put("raise_exception", new Function("<function raise_exception>", Globals::raise));
        all.put(
                "strftime_now",
                new Function(
                        "<function strftime_now>",
                        (arguments, budget) -> StrValue.of(
                                Strftime.format(clock, FORMAT.bind(arguments).str(0), budget))));
        return all;
    }

    private static Value range(Arguments arguments, Budget budget) {
        Bound bound = RANGE.bind(arguments);
        long first = bound.integer(0, 0);
        long start = bound.has(1) ? first : 0;
        long stop = bound.has(1) ? bound.integer(1, 0) : first;
        long step = bound.integer(2, 1);
        if (step == 0) {
            throw TemplateException.operation("range() arg 3 must not be zero");
        }
        // In doubles nothing overflows, and near the limit they are exact.
        double length = Math.ceil(((double) stop - start) / step);
        if (length > MAX_RANGE) {
            throw TemplateException.operation(
                    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + MAX_RANGE + ").");
        }
        return length <= 0 ? new RangeValue(start, stop, step, 0) : RangeValue.of(start, stop, step);
    }

    private static DictValue dict(Arguments arguments, Budget budget) {
        if (arguments.positional().size() > 1) {
            throw TemplateException.operation("dict expected at most 1 argument, got "
                    + arguments.positional().size());
        }
        DictValue dict = new DictValue();
        for (Value given : arguments.positional()) {
            if (given instanceof DictValue other) {
                dict = DictMethods.copy(other, budget);
            } else {
                for (Iterator<Value> pairs = given.iterator(); pairs.hasNext(); ) {
                    List<Value> pair = MappingFilters.pair(pairs.next());
                    dict.put(pair.get(0), pair.get(1), budget);
                }
            }
        }
        for (Map.Entry<String, Value> named : arguments.named().entrySet()) {
            dict.put(StrValue.of(named.getKey()), named.getValue(), budget);
        }
        return dict;
    }

    private static Value raise(Arguments arguments, Budget budget) {
        throw new TemplateException(
                TemplateException.Kind.RAISED, MESSAGE.bind(arguments).text(0, "", budget));
    }
}
