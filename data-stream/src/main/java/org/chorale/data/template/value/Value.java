// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** A value of a template, as Python has it. What a kind of value cannot do is refused in Python's words. */
public interface Value {
    /** Python's name of the type: {@code str}, {@code list}. */
    String typeName();

    /** Writes the value as {@code str()} does. */
    void appendText(TextBuilder out);

    /** Writes the value as {@code repr()} does, which is how lists and dicts write what they hold. */
    default void appendRepr(TextBuilder out) {
        appendText(out);
    }

    default boolean isTrue() {
        return true;
    }

    /** Whether {@link #length} has an answer. */
    default boolean hasLength() {
        return false;
    }

    default int length() {
        throw TemplateException.operation("object of type '" + typeName() + "' has no len()");
    }

    default boolean isIterable() {
        return false;
    }

    default Iterator<Value> iterator() {
        throw TemplateException.operation("'" + typeName() + "' object is not iterable");
    }

    default boolean isCallable() {
        return false;
    }

    default Value call(Arguments arguments, Budget budget) {
        throw TemplateException.operation("'" + typeName() + "' object is not callable");
    }

    /** An attribute that only this kind of value has; null where there is none. */
    default @Nullable Value attribute(String name) {
        return null;
    }

    /** The value as {@code str()} gives it. */
    default String text(Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        appendText(out);
        return out.toString();
    }

    /** The value as {@code repr()} gives it. */
    default String repr(Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        appendRepr(out);
        return out.toString();
    }
}
