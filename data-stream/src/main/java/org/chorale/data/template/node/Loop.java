// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Comparison;
import org.chorale.data.template.value.Function;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code loop}: where a loop is. It looks ahead only if it is asked to, one element or, for the length, all. */
final class Loop implements Value {
    /** Renders a recursive loop for other elements, at a depth. */
    @FunctionalInterface
    interface Nesting {
        String render(Value elements, int depth);
    }

    private final @Nullable Nesting nesting;
    private final int depth;
    private Iterator<Value> rest;
    private int index = -1;
    private int length = -1;
    private @Nullable Value previous;
    private @Nullable Value current;
    private @Nullable Value ahead;
    private @Nullable Value changed;

    /**
     * @param all what is gone through
     * @param chosen those of the elements that have a turn
     * @param nesting null where the loop is not recursive
     * @param depth 0 for the outermost
     */
    Loop(Value all, Iterator<Value> chosen, @Nullable Nesting nesting, int depth) {
        this.rest = chosen;
        this.nesting = nesting;
        this.depth = depth;
        if (all.hasLength() && !(chosen instanceof Choice)) {
            length = all.length();
        }
    }

    /** Goes to the next element, if there is one. */
    boolean advance() {
        if (peek() == null) {
            return false;
        }
        index++;
        previous = current;
        current = ahead;
        ahead = null;
        return true;
    }

    private @Nullable Value peek() {
        if (ahead == null && rest.hasNext()) {
            ahead = rest.next();
        }
        return ahead;
    }

    Value current() {
        return current == null ? NoneValue.NONE : current;
    }

    @Override
    public int length() {
        if (length < 0) {
            List<Value> left = new ArrayList<>();
            rest.forEachRemaining(left::add);
            rest = left.iterator();
            length = left.size() + index + 1 + (ahead == null ? 0 : 1);
        }
        return length;
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public @Nullable Value attribute(String name) {
        return switch (name) {
            case "index" -> IntValue.of(index + 1);
            case "index0" -> IntValue.of(index);
            case "revindex" -> IntValue.of(length() - index);
            case "revindex0" -> IntValue.of(length() - index - 1);
            case "first" -> BoolValue.of(index == 0);
            case "last" -> BoolValue.of(peek() == null);
            case "length" -> IntValue.of(length());
            case "depth" -> IntValue.of(depth + 1);
            case "depth0" -> IntValue.of(depth);
            case "previtem" -> previous == null ? UndefinedValue.because("there is no previous item") : previous;
            case "nextitem" -> {
                Value next = peek();
                yield next == null ? UndefinedValue.because("there is no next item") : next;
            }
            case "cycle" -> new Function("<bound method LoopContext.cycle>", this::cycle);
            case "changed" -> new Function("<bound method LoopContext.changed>", this::changed);
            default -> null;
        };
    }

    private Value cycle(Arguments arguments, Budget budget) {
        List<Value> values = arguments.positional();
        if (values.isEmpty()) {
            throw TemplateException.operation("no items for cycling given");
        }
        return values.get(index % values.size());
    }

    private Value changed(Arguments arguments, Budget budget) {
        Value now = TupleValue.of(arguments.positional());
        boolean differs = changed == null || !Comparison.equal(changed, now, budget);
        changed = now;
        return BoolValue.of(differs);
    }

    @Override
    public boolean isCallable() {
        return true;
    }

    /** {@code loop(elements)}: the loop's body for other elements. */
    @Override
    public Value call(Arguments arguments, Budget budget) {
        if (nesting == null) {
            throw TemplateException.operation("The loop must have the 'recursive' marker to be called recursively.");
        } else if (arguments.positional().size() != 1 || !arguments.named().isEmpty()) {
            throw TemplateException.operation("loop() takes one iterable");
        }
        return StrValue.of(nesting.render(arguments.positional().get(0), depth + 1));
    }

    @Override
    public String typeName() {
        return "LoopContext";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("<LoopContext " + (index + 1) + "/" + length() + ">");
    }
}
