// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** What stands in the template as it is. */
public record Text(String text) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().write(text);
        return Flow.NEXT;
    }
}
