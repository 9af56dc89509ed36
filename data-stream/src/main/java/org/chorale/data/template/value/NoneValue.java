// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

/** {@code None}. */
public enum NoneValue implements Value {
    NONE;

    @Override
    public String typeName() {
        return "NoneType";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("None");
    }

    @Override
    public boolean isTrue() {
        return false;
    }
}
