// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.chorale.data.source.NumberFields;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;

/** Makes batches of examples that are numbers: a column [B, N] of fp32 for each field, B examples of N numbers there. */
final class NumberColumns {
    private NumberColumns() {}

    static Batch batch(List<TokenizedExample> examples, NumberFields fields) {
        List<Column> columns = new ArrayList<>();
        int from = 0;
        for (Map.Entry<String, Integer> field : fields.widths().entrySet()) {
            int width = field.getValue();
            float[] values = new float[Math.multiplyExact(examples.size(), width)];
            for (int row = 0; row < examples.size(); row++) {
                System.arraycopy(examples.get(row).numbers(), from, values, row * width, width);
            }
            columns.add(Column.ofFloats(field.getKey(), values, examples.size(), width));
            from += width;
        }
        return new Batch(columns);
    }
}
