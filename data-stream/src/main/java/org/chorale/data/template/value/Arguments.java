// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.List;
import java.util.Map;

/** What a call passes. */
public record Arguments(List<Value> positional, Map<String, Value> named) {
    public static final Arguments NONE = new Arguments(List.of(), Map.of());

    public static Arguments of(Value... positional) {
        return new Arguments(List.of(positional), Map.of());
    }

    /** All but the first positional arguments. */
    public Arguments from(int first) {
        return new Arguments(positional.subList(first, positional.size()), named);
    }

    public boolean isEmpty() {
        return positional.isEmpty() && named.isEmpty();
    }
}
