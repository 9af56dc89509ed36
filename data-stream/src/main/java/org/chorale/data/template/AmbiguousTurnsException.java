// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import org.chorale.data.template.limit.TemplateException;

/** The template does not tell which part of its text an assistant's message is, so that nothing can be trained on it. */
public final class AmbiguousTurnsException extends TemplateException {
    private static final long serialVersionUID = 1;

    AmbiguousTurnsException(String problem) {
        super(
                Kind.AMBIGUOUS,
                problem
                        + "; put {% generation %} and {% endgeneration %} into the template around what the assistant is to"
                        + " learn");
    }
}
