// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.Signature;
import org.chorale.data.template.value.Value;

/** {@code value|filter(arguments)}. */
@FunctionalInterface
public interface Filter {
    Value apply(Value value, Arguments arguments, Budget budget);

    /** What a filter of fixed parameters does. */
    @FunctionalInterface
    interface Body {
        Value apply(Value value, Bound arguments, Budget budget);
    }

    /** A filter of fixed parameters, see {@link Signature}. */
    static Filter of(String name, Body body, String... parameters) {
        Signature signature = new Signature(name, parameters);
        return (value, arguments, budget) -> body.apply(value, signature.bind(arguments), budget);
    }
}
