// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import org.chorale.data.template.limit.Budget;

/**
 * Elements that are made when they are asked for, once: what {@code map}, {@code select} and the like give. It has no
 * length and no index.
 *
 * @param description what Python prints for it, less the address
 */
public record GeneratorValue(Iterator<Value> elements, String description) implements Value {
    /** Elements that may be made of those of another generator, and so on: each counts as a level. */
    public static GeneratorValue of(String name, Iterator<Value> elements, Budget budget) {
        Iterator<Value> guarded = new Iterator<>() {
            @Override
            public boolean hasNext() {
                budget.enter();
                boolean more = elements.hasNext();
                budget.leave();
                return more;
            }

            @Override
            public Value next() {
                budget.enter();
                budget.step();
                Value next = elements.next();
                budget.leave();
                return next;
            }
        };
        return new GeneratorValue(guarded, "<generator object " + name + ">");
    }

    @Override
    public String typeName() {
        return "generator";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(description);
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return elements;
    }
}
