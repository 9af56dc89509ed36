// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** {@code set target = value}. */
public record Assign(Target target, Expression expression, int line) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().at(line);
        target.check(frame);
        target.assign(frame.value(expression), frame);
        return Flow.NEXT;
    }
}
