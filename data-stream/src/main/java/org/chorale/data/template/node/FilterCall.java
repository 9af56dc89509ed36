// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.builtin.Filter;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code value|filter(arguments)}. */
public record FilterCall(Expression expression, Step step) implements Expression {
    /**
     * One filter of a chain.
     *
     * @param filter null where there is none of this name, which only fails if it comes to that
     */
    public record Step(String name, @Nullable Filter filter, CallArguments arguments, int line) {
        Value apply(Value value, Frame frame) {
            if (filter == null) {
                throw TemplateException.operation("No filter named '" + name + "' found.");
            }
            frame.rendering().at(line);
            return filter.apply(value, arguments.evaluate(frame, null), frame.budget());
        }
    }

    @Override
    public Value evaluate(Frame frame) {
        return step.apply(frame.value(expression), frame);
    }
}
