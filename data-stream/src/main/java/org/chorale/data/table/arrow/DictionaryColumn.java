// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Values by their numbers in a dictionary. */
final class DictionaryColumn extends Column {
    /** The values of a dictionary: those of its first batch and what later ones have added. */
    static final class Dictionary {
        private final Supplier<Column> values;
        private final List<Column> batches = new ArrayList<>();

        Dictionary(Supplier<Column> values) {
            this.values = values;
        }

        void load(BatchBuffers batch, boolean adds) {
            if (!adds) {
                batches.clear();
            }
            Column more = values.get();
            more.load(batch);
            batches.add(more);
        }

        private void write(JsonGenerator json, long index) throws IOException {
            long at = index;
            for (Column batch : batches) {
                if (at < batch.length()) {
                    batch.writeAny(json, at);
                    return;
                }
                at -= batch.length();
            }
            throw new IndexOutOfBoundsException("value %d is not in the dictionary".formatted(index));
        }
    }

    /** Reads a number at an index. */
    interface Index {
        long at(Window values, long index);
    }

    private final Index index;
    private final Dictionary dictionary;
    private Window numbers = Window.of(new byte[0]);

    DictionaryColumn(Index index, Dictionary dictionary) {
        this.index = index;
        this.dictionary = dictionary;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        numbers = batch.buffer();
    }

    @Override
    void write(JsonGenerator json, long at) throws IOException {
        dictionary.write(json, index.at(numbers, at));
    }
}
