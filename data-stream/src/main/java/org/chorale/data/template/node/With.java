// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;

/** {@code with a=…, b=…}: a scope with variables of its own, whose values are those of the scope around it. */
public record With(List<Target> targets, List<Expression> values, Block body, int line) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().at(line);
        Frame inner = frame.inner();
        for (int i = 0; i < targets.size(); i++) {
            targets.get(i).assign(frame.value(values.get(i)), inner);
        }
        return body.run(inner);
    }
}
