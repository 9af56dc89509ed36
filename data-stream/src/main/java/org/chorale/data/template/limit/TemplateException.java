// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.limit;

/** Stand-in. */
public class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public TemplateException(String message) {
        super(message);
    }
}
