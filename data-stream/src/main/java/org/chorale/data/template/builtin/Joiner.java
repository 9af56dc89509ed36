// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code joiner(sep)}: nothing when it is first called, the separator from then on. */
final class Joiner implements Value {
    private final Value separator;
    private boolean used;

    Joiner(Value separator) {
        this.separator = separator;
    }

    @Override
    public String typeName() {
        return "jinja2.utils.Joiner";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("<jinja2.utils.Joiner object>");
    }

    @Override
    public boolean isCallable() {
        return true;
    }

    @Override
    public Value call(Arguments arguments, Budget budget) {
        Value now = used ? separator : StrValue.EMPTY;
        used = true;
        return now;
    }

    @Override
    public @Nullable Value attribute(String name) {
        return switch (name) {
            case "sep" -> separator;
            case "used" -> BoolValue.of(used);
            default -> null;
        };
    }
}
