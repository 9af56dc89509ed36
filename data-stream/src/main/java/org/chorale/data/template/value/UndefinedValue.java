// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Collections;
import java.util.Iterator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/**
 * What a name, attribute or element is that is not there: it prints as nothing, is false and empty, and fails when it is
 * used for anything else.
 *
 * @param problem the message when it fails
 * @param unsafe whether it hides something from the sandbox, instead of missing it
 */
public record UndefinedValue(String problem, boolean unsafe) implements Value {
    /** A variable that nobody set. */
    public static UndefinedValue name(String name) {
        return new UndefinedValue("'" + name + "' is undefined", false);
    }

    /** A value that is missing for another reason. */
    public static UndefinedValue because(String problem) {
        return new UndefinedValue(problem, false);
    }

    /** An attribute that a value does not have. */
    public static UndefinedValue attribute(Value owner, String name) {
        return new UndefinedValue("'" + typeOf(owner) + "' has no attribute '" + name + "'", false);
    }

    /** An element that a value does not have. */
    public static UndefinedValue element(Value owner, Value key, Budget budget) {
        return key instanceof StrValue name
                ? attribute(owner, name.text())
                : new UndefinedValue(typeOf(owner) + " has no element " + key.repr(budget), false);
    }

    /** An attribute that the sandbox hides. */
    public static UndefinedValue unsafe(Value owner, String name) {
        return new UndefinedValue(
                "access to attribute '" + name + "' of '" + owner.typeName() + "' object is unsafe.", true);
    }

    private static String typeOf(Value owner) {
        return owner == NoneValue.NONE ? "None" : owner.typeName() + " object";
    }

    /** The exception that a use of it ends in. */
    public TemplateException failure() {
        return new TemplateException(
                unsafe ? TemplateException.Kind.SECURITY : TemplateException.Kind.UNDEFINED, problem);
    }

    @Override
    public String typeName() {
        return "Undefined";
    }

    @Override
    public void appendText(TextBuilder out) {}

    @Override
    public void appendRepr(TextBuilder out) {
        out.append("Undefined");
    }

    @Override
    public boolean isTrue() {
        return false;
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public int length() {
        return 0;
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return Collections.emptyIterator();
    }

    @Override
    public boolean isCallable() {
        return true; // as in Jinja2: that it fails is only seen in the call
    }

    @Override
    public Value call(Arguments arguments, Budget budget) {
        throw failure();
    }

    @Override
    public @Nullable Value attribute(String name) {
        throw failure();
    }
}
