// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** {@code and} and {@code or}: the operand that decides is the value. */
public record Logic(boolean isAnd, Expression left, Expression right) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        Value first = frame.value(left);
        return first.isTrue() == isAnd ? frame.value(right) : first;
    }
}
