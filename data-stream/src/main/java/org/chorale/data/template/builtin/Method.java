// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.Function;
import org.chorale.data.template.value.Signature;
import org.chorale.data.template.value.Value;

/**
 * A method of a kind of value.
 *
 * @param <V> the kind of value
 */
record Method<V extends Value>(String name, Signature signature, Body<V> body) {
    /** What it does. */
    @FunctionalInterface
    interface Body<V extends Value> {
        Value call(V self, Bound arguments, Budget budget);
    }

    static <V extends Value> Method<V> of(String name, Body<V> body, String... parameters) {
        return new Method<>(name, new Signature(name, parameters), body);
    }

    /** A method of Python's that this interpreter does not have. */
    static <V extends Value> Method<V> unsupported(String name) {
        Body<V> refusal = (self, arguments, budget) -> {
            throw TemplateException.operation("%s.%s() is not supported".formatted(self.typeName(), name));
        };
        return of(name, refusal, "a?", "b?", "c?");
    }

    Value of(V self) {
        return new Function(
                "<built-in method %s of %s object>".formatted(name, self.typeName()),
                (arguments, budget) -> body.call(self, signature.bind(arguments), budget));
    }
}
