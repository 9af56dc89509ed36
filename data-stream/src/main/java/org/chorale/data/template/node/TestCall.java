// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.builtin.Test;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * {@code value is test(arguments)}.
 *
 * @param test null where there is none of this name, which only fails if it comes to that
 */
public record TestCall(
        Expression expression, String name, @Nullable Test test, CallArguments arguments) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        if (test == null) {
            throw TemplateException.operation("No test named '" + name + "' found.");
        }
        Value value = frame.value(expression);
        return BoolValue.of(test.holds(value, arguments.evaluate(frame, null), frame.budget()));
    }
}
