// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

/** A float of double precision. */
public record FloatValue(double value) implements Value {
    @Override
    public String typeName() {
        return "float";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.budget().digits(FloatText.REPR_DIGITS);
        out.append(FloatText.repr(value));
    }

    @Override
    public boolean isTrue() {
        return value != 0;
    }
}
