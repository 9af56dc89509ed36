// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code function(arguments)}. */
public record Call(Expression function, CallArguments arguments, int line) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        return evaluate(frame, null);
    }

    Value evaluate(Frame frame, @Nullable Value caller) {
        Value called = frame.value(function);
        frame.rendering().at(line);
        return called.call(arguments.evaluate(frame, caller), frame.budget());
    }
}
