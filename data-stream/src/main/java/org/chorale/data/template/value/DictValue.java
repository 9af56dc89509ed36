// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.jspecify.annotations.Nullable;

/** A dict in the order in which its keys came. The sandbox lets no template change one. */
public final class DictValue implements Value {
    private record Entry(Value key, Value value) {}

    /** By {@link Keys}: texts by their strings. */
    private final Map<Object, Entry> entries = new LinkedHashMap<>();

    /** Adds or replaces an entry while the dict is made; a key that is there stays in its place. */
    public void put(Value key, Value value, Budget budget) {
        budget.makeElements(2);
        Object found = Keys.of(key, budget);
        Entry old = entries.get(found);
        entries.put(found, new Entry(old == null ? key : old.key(), value));
    }

    public @Nullable Value get(Value key, Budget budget) {
        Entry entry = entries.get(Keys.of(key, budget));
        return entry == null ? null : entry.value();
    }

    public @Nullable Value get(String key) {
        Entry entry = entries.get(key);
        return entry == null ? null : entry.value();
    }

    public Iterator<Value> values() {
        return entries.values().stream().map(Entry::value).iterator();
    }

    /** The pairs of key and value. */
    public Iterator<Value> items() {
        return entries.values().stream()
                .map(entry -> (Value) TupleValue.of(entry.key(), entry.value()))
                .iterator();
    }

    @Override
    public String typeName() {
        return "dict";
    }

    @Override
    public void appendText(TextBuilder out) {
        Budget budget = out.budget();
        budget.enter();
        String separator = "{";
        for (Entry entry : entries.values()) {
            budget.step();
            out.append(separator);
            entry.key().appendRepr(out);
            out.append(": ");
            entry.value().appendRepr(out);
            separator = ", ";
        }
        out.append(entries.isEmpty() ? "{}" : "}");
        budget.leave();
    }

    @Override
    public boolean isTrue() {
        return !entries.isEmpty();
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public int length() {
        return entries.size();
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    /** The keys. */
    @Override
    public Iterator<Value> iterator() {
        return entries.values().stream().map(Entry::key).iterator();
    }
}
