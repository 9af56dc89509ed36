// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * What stands between the parentheses of a call.
 *
 * @param more {@code *more}
 * @param moreNamed {@code **moreNamed}
 */
public record CallArguments(
        List<Expression> positional,
        Map<String, Expression> named,
        @Nullable Expression more,
        @Nullable Expression moreNamed) {
    public static final CallArguments NONE = new CallArguments(List.of(), Map.of(), null, null);

    Arguments evaluate(Frame frame, @Nullable Value caller) {
        List<Value> values = new ArrayList<>(positional.size());
        for (Expression expression : positional) {
            values.add(frame.value(expression));
        }
        if (more != null) {
            for (Iterator<Value> rest = frame.value(more).iterator(); rest.hasNext(); ) {
                frame.budget().makeElements(1);
                values.add(rest.next());
            }
        }
        return new Arguments(
                values, named.isEmpty() && moreNamed == null && caller == null ? Map.of() : named(frame, caller));
    }

    private Map<String, Value> named(Frame frame, @Nullable Value caller) {
        Map<String, Value> values = new LinkedHashMap<>();
        named.forEach((name, expression) -> values.put(name, frame.value(expression)));
        if (caller != null) {
            values.put("caller", caller);
        }
        if (moreNamed != null) {
            if (!(frame.value(moreNamed) instanceof DictValue rest)) {
                throw TemplateException.operation("argument after ** must be a mapping");
            }
            rest.items().forEachRemaining(item -> add((TupleValue) item, values));
        }
        return values;
    }

    private static void add(TupleValue item, Map<String, Value> values) {
        if (!(item.elements().get(0) instanceof StrValue name)) {
            throw TemplateException.operation("keywords must be strings");
        } else if (values.put(name.text(), item.elements().get(1)) != null) {
            throw TemplateException.operation("got multiple values for keyword argument '" + name.text() + "'");
        }
    }
}
