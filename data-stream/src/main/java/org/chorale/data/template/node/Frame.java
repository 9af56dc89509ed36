// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.HashMap;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The variables of a scope: a loop's body, a macro's, the whole template. A name is looked for from inside out. */
public final class Frame {
    private final Rendering rendering;
    private final @Nullable Frame outer;
    private @Nullable Map<String, Value> variables;

    private Frame(Rendering rendering, @Nullable Frame outer, @Nullable Map<String, Value> variables) {
        this.rendering = rendering;
        this.outer = outer;
        this.variables = variables;
    }

    /** The scope of a template, within that of the variables that it is given. */
    public static Frame of(Rendering rendering, Map<String, Value> variables) {
        return new Frame(rendering, new Frame(rendering, null, variables), null);
    }

    Frame inner() {
        return new Frame(rendering, this, null);
    }

    Rendering rendering() {
        return rendering;
    }

    Budget budget() {
        return rendering.budget();
    }

    /** The value of an expression, one level deeper. */
    Value value(Expression expression) {
        Budget budget = rendering.budget();
        budget.step();
        budget.enter();
        Value value = expression.evaluate(this);
        budget.leave();
        return value;
    }

    @Nullable
    Value find(String name) {
        for (Frame frame = this; frame != null; frame = frame.outer) {
            Value value = frame.variables == null ? null : frame.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return null;
    }

    Value get(String name) {
        Value value = find(name);
        return value == null ? UndefinedValue.name(name) : value;
    }

    void set(String name, Value value) {
        if (variables == null) {
            variables = new HashMap<>();
        }
        variables.put(name, value);
    }
}
