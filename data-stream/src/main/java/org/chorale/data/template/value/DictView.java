// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;

/** What {@code keys()}, {@code values()} and {@code items()} of a dict give. */
public record DictView(DictValue dict, Part part) implements Value {
    /** Of which part of its entries. */
    public enum Part {
        KEYS,
        VALUES,
        ITEMS
    }

    @Override
    public String typeName() {
        return switch (part) {
            case KEYS -> "dict_keys";
            case VALUES -> "dict_values";
            case ITEMS -> "dict_items";
        };
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(typeName());
        out.appendAll("([", iterator(), "])");
    }

    @Override
    public boolean isTrue() {
        return dict.isTrue();
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public int length() {
        return dict.length();
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return switch (part) {
            case KEYS -> dict.iterator();
            case VALUES -> dict.values();
            case ITEMS -> dict.items();
        };
    }
}
