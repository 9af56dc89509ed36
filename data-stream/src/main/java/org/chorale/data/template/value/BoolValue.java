// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

/** {@code True} and {@code False}, which count as 1 and 0. */
public enum BoolValue implements Value {
    FALSE,
    TRUE;

    public static BoolValue of(boolean value) {
        return value ? TRUE : FALSE;
    }

    @Override
    public String typeName() {
        return "bool";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(isTrue() ? "True" : "False");
    }

    @Override
    public boolean isTrue() {
        return this == TRUE;
    }
}
