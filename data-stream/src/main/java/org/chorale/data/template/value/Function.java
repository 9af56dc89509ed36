// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.Budget;

/** A function or a method of a value, of the interpreter's own. */
public record Function(String description, Body body) implements Value {
    /** What it does. */
    @FunctionalInterface
    public interface Body {
        Value call(Arguments arguments, Budget budget);
    }

    @Override
    public String typeName() {
        return "builtin_function_or_method";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(description);
    }

    @Override
    public boolean isCallable() {
        return true;
    }

    @Override
    public Value call(Arguments arguments, Budget budget) {
        return body.call(arguments, budget);
    }
}
