// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** A variable. */
public record Name(String name) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        return frame.get(name);
    }
}
