// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Predicate;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The elements that a loop's condition holds for, looked at one by one when they are asked for. */
final class Choice implements Iterator<Value> {
    private final Iterator<Value> elements;
    private final Predicate<Value> condition;
    private @Nullable Value next;

    Choice(Iterator<Value> elements, Predicate<Value> condition) {
        this.elements = elements;
        this.condition = condition;
    }

    @Override
    public boolean hasNext() {
        while (next == null && elements.hasNext()) {
            Value element = elements.next();
            next = condition.test(element) ? element : null;
        }
        return next != null;
    }

    @Override
    public Value next() {
        Value taken = hasNext() ? next : null;
        if (taken == null) {
            throw new NoSuchElementException();
        }
        next = null;
        return taken;
    }
}
