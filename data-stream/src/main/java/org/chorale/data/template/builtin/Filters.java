// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.HashMap;
import java.util.Map;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** The filters by name. */
public final class Filters {
    private static final Map<String, Filter> ALL = new HashMap<>();

    static {
        ALL.putAll(TextFilters.all());
        ALL.putAll(WritingFilters.all());
        ALL.putAll(NumberFilters.all());
        ALL.putAll(SequenceFilters.all());
        ALL.putAll(OrderFilters.all());
        ALL.putAll(MappingFilters.all());
        ALL.put("random", refused("random", "a text must be the same each time it is rendered"));
        ALL.put("pprint", refused("pprint", "use tojson(indent=2)"));
        ALL.put("urlize", refused("urlize", "it is for web pages"));
    }

    private Filters() {}

    private static Filter refused(String name, String reason) {
        return (value, arguments, budget) -> {
            throw TemplateException.operation("the filter " + name + " is not supported: " + reason);
        };
    }

    public static @Nullable Filter find(String name) {
        return ALL.get(name);
    }

    /** A filter that is only looked for while rendering. */
    static Filter require(String name) {
        Filter filter = ALL.get(name);
        if (filter == null) {
            throw TemplateException.operation("No filter named '" + name + "'.");
        }
        return filter;
    }
}
