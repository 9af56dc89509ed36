// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.builtin.Attributes;
import org.chorale.data.template.value.Value;

/** {@code value.name}. */
public record GetAttribute(Expression expression, String name) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        return Attributes.dot(frame.value(expression), name);
    }
}
