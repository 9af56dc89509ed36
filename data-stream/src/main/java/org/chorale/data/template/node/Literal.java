// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** A value that stands in the template. */
public record Literal(Value value) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        return value;
    }
}
