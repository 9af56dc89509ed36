// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Comparison;
import org.chorale.data.template.value.Value;

/** {@code a < b <= c}: each with the next, until one does not hold. */
public record Compare(Expression first, List<Operand> operands) implements Expression {
    /** How operands are compared. */
    public enum Operator {
        EQUAL("=="),
        UNEQUAL("!="),
        LESS("<"),
        LESS_OR_EQUAL("<="),
        GREATER(">"),
        GREATER_OR_EQUAL(">="),
        IN("in"),
        NOT_IN("not in");

        private final String symbol;

        Operator(String symbol) {
            this.symbol = symbol;
        }
    }

    /** An operator and what stands behind it. */
    public record Operand(Operator operator, Expression expression) {}

    @Override
    public Value evaluate(Frame frame) {
        Value left = frame.value(first);
        for (Operand operand : operands) {
            Value right = frame.value(operand.expression());
            if (!holds(left, operand.operator(), right, frame)) {
                return BoolValue.FALSE;
            }
            left = right;
        }
        return BoolValue.TRUE;
    }

    private static boolean holds(Value left, Operator operator, Value right, Frame frame) {
        return switch (operator) {
            case EQUAL -> Comparison.equal(left, right, frame.budget());
            case UNEQUAL -> !Comparison.equal(left, right, frame.budget());
            case IN -> Comparison.contains(right, left, frame.budget());
            case NOT_IN -> !Comparison.contains(right, left, frame.budget());
            default -> inOrder(Comparison.order(left, right, operator.symbol, frame.budget()), operator);
        };
    }

    /** Whether an order is the one that is asked for; NaN, with -2, is in none. */
    private static boolean inOrder(int order, Operator operator) {
        return switch (operator) {
            case LESS -> order == -1;
            case LESS_OR_EQUAL -> order == -1 || order == 0;
            case GREATER -> order > 0;
            default -> order >= 0;
        };
    }
}
