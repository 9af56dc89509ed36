// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.ArrayList;
import java.util.List;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;

/** {@code [a, b]} or {@code (a, b)}. */
public record Elements(List<Expression> elements, boolean isTuple) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        frame.budget().makeElements(elements.size());
        List<Value> values = new ArrayList<>(elements.size());
        for (Expression element : elements) {
            values.add(frame.value(element));
        }
        return isTuple ? TupleValue.of(values) : new ListValue(values);
    }
}
