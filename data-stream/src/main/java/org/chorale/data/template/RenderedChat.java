// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.List;

/**
 * A conversation as text.
 *
 * @param trained the parts that the loss counts, in order, without overlap
 */
public record RenderedChat(String text, List<Span> trained) {
    public RenderedChat {
        trained = List.copyOf(trained);
    }
}
