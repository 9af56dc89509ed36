// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Subscript;
import org.chorale.data.template.value.Value;

/** {@code value[start:stop:step]}; bounds that are left out are None. */
public record GetSlice(Expression expression, Expression start, Expression stop, Expression step)
        implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        Value value = frame.value(expression);
        Value from = frame.value(start);
        Value until = frame.value(stop);
        return Subscript.slice(value, from, until, frame.value(step), frame.budget());
    }
}
