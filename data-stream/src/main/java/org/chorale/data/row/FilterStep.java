// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Keeps the rows for which an expression is true. */
record FilterStep(RowExpression expression, String key) implements RowStep.Filter {
    FilterStep {
        if (!expression.mayBeBoolean()) {
            throw new IllegalArgumentException("%s = \"%s\": gives a %s; must give true or false"
                    .formatted(key, expression.text().strip(), expression.typeName()));
        }
    }

    @Override
    public boolean keeps(Map<String, @Nullable Object> row) throws RowRefusedException {
        if (expression.of(row) instanceof Boolean verdict) {
            return verdict;
        }
        throw new RowRefusedException("%s = \"%s\": gives neither true nor false"
                .formatted(key, expression.text().strip()));
    }

    @Override
    public String identity() {
        return "filter=" + expression.text();
    }
}
