// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import org.chorale.data.template.limit.TemplateException;

/** Stand-in. */
public final class AmbiguousTurnsException extends TemplateException {
    private static final long serialVersionUID = 1;

    public AmbiguousTurnsException(String message) {
        super(message);
    }
}
