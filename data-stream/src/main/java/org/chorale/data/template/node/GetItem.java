// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.builtin.Attributes;
import org.chorale.data.template.value.Value;

/** {@code value[key]}. */
public record GetItem(Expression expression, Expression key) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        Value value = frame.value(expression);
        return Attributes.bracket(value, frame.value(key), frame.budget());
    }
}
