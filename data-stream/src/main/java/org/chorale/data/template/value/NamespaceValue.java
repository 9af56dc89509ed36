// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.Budget;
import org.jspecify.annotations.Nullable;

/** {@code namespace()}: the one value whose attributes a template may set. */
public record NamespaceValue(DictValue attributes) implements Value {
    public void set(String name, Value value, Budget budget) {
        attributes.put(StrValue.of(name), value, budget);
    }

    @Override
    public String typeName() {
        return "jinja2.utils.Namespace";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("<Namespace ");
        attributes.appendRepr(out);
        out.append(">");
    }

    @Override
    public @Nullable Value attribute(String name) {
        return attributes.get(name);
    }
}
