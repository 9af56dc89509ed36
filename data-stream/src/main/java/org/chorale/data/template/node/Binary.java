// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.Value;

/** Two operands and an operator between them. */
public record Binary(Operator operator, Expression left, Expression right) implements Expression {
    /** What is done with the operands. */
    public enum Operator {
        ADD,
        SUBTRACT,
        MULTIPLY,
        DIVIDE,
        FLOOR_DIVIDE,
        MODULO,
        POWER
    }

    @Override
    public Value evaluate(Frame frame) {
        Value a = frame.value(left);
        Value b = frame.value(right);
        return switch (operator) {
            case ADD -> Operators.add(a, b, frame.budget());
            case SUBTRACT -> Operators.subtract(a, b, frame.budget());
            case MULTIPLY -> Operators.multiply(a, b, frame.budget());
            case DIVIDE -> Operators.divide(a, b, frame.budget());
            case FLOOR_DIVIDE -> Operators.floorDivide(a, b, frame.budget());
            case MODULO -> Operators.modulo(a, b, frame.budget());
            case POWER -> Operators.power(a, b, frame.budget());
        };
    }
}
