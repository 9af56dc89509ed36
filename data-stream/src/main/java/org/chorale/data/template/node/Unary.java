// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.Value;

/** An operator before its operand. */
public record Unary(Operator operator, Expression operand) implements Expression {
    /** What is done with the operand. */
    public enum Operator {
        NEGATE,
        PLUS,
        NOT
    }

    @Override
    public Value evaluate(Frame frame) {
        Value value = frame.value(operand);
        return switch (operator) {
            case NEGATE -> Operators.negate(value);
            case PLUS -> Operators.plus(value);
            case NOT -> BoolValue.of(!value.isTrue());
        };
    }
}
