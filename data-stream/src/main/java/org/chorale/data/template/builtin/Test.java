// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.Signature;
import org.chorale.data.template.value.Value;

/** {@code value is test(arguments)}. */
@FunctionalInterface
public interface Test {
    boolean holds(Value value, Arguments arguments, Budget budget);

    /** What a test of fixed parameters asks. */
    @FunctionalInterface
    interface Body {
        boolean holds(Value value, Bound arguments, Budget budget);
    }

    /** A test of fixed parameters, see {@link Signature}. */
    static Test of(String name, Body body, String... parameters) {
        Signature signature = new Signature(name, parameters);
        return (value, arguments, budget) -> body.holds(value, signature.bind(arguments), budget);
    }
}
