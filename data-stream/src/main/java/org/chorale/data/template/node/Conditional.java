// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code then if condition else otherwise}; without the last, it may be undefined. */
public record Conditional(
        Expression condition, Expression then, @Nullable Expression otherwise, int line) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        if (frame.value(condition).isTrue()) {
            return frame.value(then);
        } else if (otherwise != null) {
            return frame.value(otherwise);
        }
        return UndefinedValue.because(
                "the inline if-expression on line " + line + " evaluated to false and no else section was defined.");
    }
}
