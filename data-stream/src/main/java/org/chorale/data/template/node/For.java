// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.Iterator;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * {@code for target in elements if condition recursive}. Each turn has a scope of its own.
 *
 * @param condition which elements there is a turn for, looked at when their turn comes; null for all
 * @param otherwise what is done if there was no turn
 */
public record For(
        Target target,
        Expression elements,
        @Nullable Expression condition,
        boolean recursive,
        Block body,
        @Nullable Block otherwise,
        int line)
        implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().at(line);
        Value all = frame.value(elements);
        if (recursive) {
            frame.rendering().write(nested(all, frame, 0));
            return Flow.NEXT;
        }
        return turns(frame, new Loop(all, chosen(all, frame), null, 0));
    }

    /** A recursive loop's text, which its body asks for by {@code loop(…)}. */
    private String nested(Value all, Frame frame, int depth) {
        frame.budget().enter();
        Loop.Nesting nesting = (inner, innerDepth) -> nested(inner, frame, innerDepth);
        Loop loop = new Loop(all, chosen(all, frame), nesting, depth);
        String text = frame.rendering().captured(() -> turns(frame, loop));
        frame.budget().leave();
        return text;
    }

    private Flow turns(Frame frame, Loop loop) {
        boolean none = true;
        while (loop.advance()) {
            Flow flow = turn(loop, frame);
            if (flow == Flow.BREAK) {
                break;
            }
            none &= flow == Flow.CONTINUE; // in Jinja2, a turn counts when its end is reached
        }
        return none && otherwise != null ? otherwise.run(frame.inner()) : Flow.NEXT;
    }

    private Flow turn(Loop loop, Frame frame) {
        frame.budget().step();
        Frame inner = frame.inner();
        inner.set("loop", loop);
        target.assign(loop.current(), inner);
        Watch watch = frame.rendering().watch();
        int from = frame.rendering().length();
        Flow flow = body.run(inner);
        if (watch != null) {
            watch.looped(loop.current(), from, frame.rendering().length());
        }
        return flow;
    }

    private Iterator<Value> chosen(Value all, Frame frame) {
        if (!all.isIterable()) {
            throw TemplateException.operation("'" + all.typeName() + "' object is not iterable");
        }
        Expression test = condition;
        if (test == null) {
            return all.iterator();
        }
        return new Choice(all.iterator(), element -> {
            Frame inner = frame.inner();
            target.assign(element, inner);
            return inner.value(test).isTrue();
        });
    }
}
