// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Value;

/** {@code {{ value }}}. */
public record Print(Expression expression, int line) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().at(line);
        Value value = frame.value(expression);
        String text = value instanceof StrValue string ? string.text() : value.text(frame.budget());
        frame.rendering().write(text);
        return Flow.NEXT;
    }
}
