// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** {@code macro name(…)}. */
public record MacroDefinition(String name, MacroBody body) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.set(name, new Macro(body, frame));
        return Flow.NEXT;
    }
}
