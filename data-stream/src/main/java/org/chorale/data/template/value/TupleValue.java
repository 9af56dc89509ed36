// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A tuple.
 *
 * @param names of the elements, where they are attributes too; else empty
 */
public record TupleValue(List<Value> elements, List<String> names) implements Value {
    public static TupleValue of(Value... elements) {
        return new TupleValue(List.of(elements), List.of());
    }

    public static TupleValue of(List<Value> elements) {
        return new TupleValue(elements, List.of());
    }

    @Override
    public String typeName() {
        return "tuple";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.appendAll("(", iterator(), elements.size() == 1 ? ",)" : ")");
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

    @Override
    public @Nullable Value attribute(String name) {
        int place = names.indexOf(name);
        return place < 0 ? null : elements.get(place);
    }
}
