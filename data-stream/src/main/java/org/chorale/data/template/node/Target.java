// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.Iterator;
import java.util.List;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.NamespaceValue;
import org.chorale.data.template.value.Value;

/** What can be assigned to. */
public sealed interface Target {
    /** Refuses what cannot be assigned to before the value is computed. */
    default void check(Frame frame) {}

    void assign(Value value, Frame frame);

    /** A variable of the innermost scope. */
    record Variable(String name) implements Target {
        @Override
        public void assign(Value value, Frame frame) {
            frame.set(name, value);
        }
    }

    /** An attribute of a namespace. */
    record Attribute(String namespace, String name) implements Target {
        @Override
        public void check(Frame frame) {
            if (!(frame.find(namespace) instanceof NamespaceValue)) {
                throw TemplateException.operation("cannot assign attribute on non-namespace object");
            }
        }

        @Override
        public void assign(Value value, Frame frame) {
            if (frame.find(namespace) instanceof NamespaceValue found) {
                found.set(name, value, frame.budget());
            }
        }
    }

    /** Several targets, for as many elements. */
    record Several(List<Target> targets) implements Target {
        @Override
        public void check(Frame frame) {
            targets.forEach(target -> target.check(frame));
        }

        @Override
        public void assign(Value value, Frame frame) {
            if (!value.isIterable()) {
                throw TemplateException.operation("cannot unpack non-iterable " + value.typeName() + " object");
            }
            Iterator<Value> elements = value.iterator();
            Value[] parts = new Value[targets.size()];
            for (int i = 0; i < parts.length; i++) {
                if (!elements.hasNext()) {
                    throw TemplateException.operation(
                            "not enough values to unpack (expected %d, got %d)".formatted(parts.length, i));
                }
                parts[i] = elements.next();
            }
            if (elements.hasNext()) {
                throw TemplateException.operation("too many values to unpack (expected " + parts.length + ")");
            }
            for (int i = 0; i < parts.length; i++) {
                targets.get(i).assign(parts[i], frame);
            }
        }
    }
}
