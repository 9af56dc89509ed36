// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.Value;

/** {@code a ~ b ~ c}: what is printed for each, together. */
public record Concat(List<Expression> parts) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        TextBuilder out = new TextBuilder(frame.budget());
        for (Expression part : parts) {
            frame.value(part).appendText(out);
        }
        return StrValue.of(out.toString());
    }
}
