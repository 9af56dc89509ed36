// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Function;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code cycler(…)}: gives its values one after the other, again and again. */
final class Cycler implements Value {
    private final List<Value> items;
    private int place;

    private Cycler(List<Value> items) {
        this.items = items;
    }

    static Cycler of(Arguments arguments) {
        if (arguments.positional().isEmpty() || !arguments.named().isEmpty()) {
            throw TemplateException.operation("at least one item has to be provided");
        }
        return new Cycler(arguments.positional());
    }

    private Value next(Arguments arguments, Budget budget) {
        Value current = items.get(place);
        place = (place + 1) % items.size();
        return current;
    }

    private Value reset(Arguments arguments, Budget budget) {
        place = 0;
        return NoneValue.NONE;
    }

    @Override
    public String typeName() {
        return "jinja2.utils.Cycler";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("<jinja2.utils.Cycler object>");
    }

    @Override
    public @Nullable Value attribute(String name) {
        return switch (name) {
            case "next" -> new Function("<bound method Cycler.next>", this::next);
            case "reset" -> new Function("<bound method Cycler.reset>", this::reset);
            case "current" -> items.get(place);
            case "pos" -> IntValue.of(place);
            case "items" -> TupleValue.of(items);
            default -> null;
        };
    }
}
