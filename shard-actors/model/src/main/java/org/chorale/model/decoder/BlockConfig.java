// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.jspecify.annotations.Nullable;

/**
 * A transformer block, with the published names of what it has.
 *
 * <pre>
 * h = x + afterAttention(attention(beforeAttention(x)))
 * y = h + afterInner(inner(beforeInner(h)))
 * </pre>
 *
 * @param name of its unit, such as {@code model.layers.3}
 * @param beforeAttention null for none, like the other norms
 * @param parallel whether both parts read x instead: y = x + attention + inner
 */
public record BlockConfig(
        String name,
        @Nullable NormConfig beforeAttention,
        AttentionConfig attention,
        @Nullable NormConfig afterAttention,
        @Nullable NormConfig beforeInner,
        FeedForwardConfig inner,
        @Nullable NormConfig afterInner,
        boolean parallel) {

    /** Its parameters in the order of its unit's buffer: weights that are read together lie together. */
    List<ParameterOutline> parameters() {
        List<ParameterOutline> parameters = new ArrayList<>();
        add(parameters, beforeAttention);
        addAll(parameters, attention.inputs());
        add(parameters, attention.queryNorm());
        add(parameters, attention.keyNorm());
        addAll(parameters, List.of(attention.output()));
        add(parameters, afterAttention);
        add(parameters, beforeInner);
        inner.groups().forEach(group -> addAll(parameters, group));
        add(parameters, afterInner);
        return parameters;
    }

    private static void add(List<ParameterOutline> parameters, @Nullable NormConfig norm) {
        if (norm != null) {
            parameters.addAll(norm.parameters());
        }
    }

    private static void addAll(List<ParameterOutline> parameters, List<LinearOutline> linears) {
        linears.forEach(linear -> parameters.add(linear.parameters().get(0)));
        linears.forEach(linear -> parameters.addAll(
                linear.parameters().subList(1, linear.parameters().size())));
    }

    /** In the order of the forward pass. */
    Stream<LinearOutline> linears() {
        return Stream.concat(
                Stream.concat(attention.inputs().stream(), Stream.of(attention.output())), inner.linears());
    }

    Stream<NormConfig> norms() {
        return Stream.of(
                        beforeAttention,
                        attention.queryNorm(),
                        attention.keyNorm(),
                        afterAttention,
                        beforeInner,
                        afterInner)
                .filter(Objects::nonNull);
    }
}
