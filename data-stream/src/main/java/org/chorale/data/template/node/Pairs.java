// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.Value;

/** <code>{key: value}</code>. */
public record Pairs(List<Expression> keys, List<Expression> values) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
        DictValue dict = new DictValue();
        for (int i = 0; i < keys.size(); i++) {
            Value key = frame.value(keys.get(i));
            dict.put(key, frame.value(values.get(i)), frame.budget());
        }
        return dict;
    }
}
