// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;

/** Statements one after the other. */
public record Block(List<Statement> statements) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.budget().enter();
        Flow flow = Flow.NEXT;
        for (int i = 0; i < statements.size() && flow == Flow.NEXT; i++) {
            frame.budget().step();
            flow = statements.get(i).run(frame);
        }
        frame.budget().leave();
        return flow;
    }
}
