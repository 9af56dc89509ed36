// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import java.util.List;

/** A list. The sandbox lets no template change one. */
public record ListValue(List<Value> elements) implements Value {
    @Override
    public String typeName() {
        return "list";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.appendAll("[", iterator(), "]");
    }

    @Override
    public boolean isTrue() {
        return !elements.isEmpty();
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public int length() {
        return elements.size();
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return elements.iterator();
    }
}
