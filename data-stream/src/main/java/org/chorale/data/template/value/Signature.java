// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.ArrayList;
import java.util.List;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** The parameters of a function, by which {@link Arguments} are told apart as Python does. */
public final class Signature {
    private final String function;
    private final List<String> parameters = new ArrayList<>();
    private int required;

    /**
     * @param parameters the names; one that ends with a question mark may be left out, and so may all after it
     */
    public Signature(String function, String... parameters) {
        this.function = function;
        for (String parameter : parameters) {
            boolean optional = parameter.endsWith("?");
            this.parameters.add(optional ? parameter.substring(0, parameter.length() - 1) : parameter);
            required += optional ? 0 : 1;
        }
    }

    /** Gives each parameter its argument. */
    public Bound bind(Arguments arguments) {
        int given = arguments.positional().size();
        if (given > parameters.size()) {
            throw TemplateException.operation(
                    "%s() takes at most %d arguments (%d given)".formatted(function, parameters.size(), given));
        }
        @Nullable Value[] values = new Value[parameters.size()];
        for (int i = 0; i < given; i++) {
            values[i] = arguments.positional().get(i);
        }
        arguments.named().forEach((name, value) -> {
            int place = parameters.indexOf(name);
            if (place < 0) {
                throw TemplateException.operation(
                        "%s() got an unexpected keyword argument '%s'".formatted(function, name));
            } else if (values[place] != null) {
                throw TemplateException.operation(
                        "%s() got multiple values for argument '%s'".formatted(function, name));
            }
            values[place] = value;
        });
        for (int i = 0; i < required; i++) {
            if (values[i] == null) {
                throw TemplateException.operation(
                        "%s() missing required argument '%s'".formatted(function, parameters.get(i)));
            }
        }
        return new Bound(values);
    }
}
