// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;

/** Values that all take the same number of bytes, or a bit. */
final class PlainColumn extends Column {
    /** Writes the value at an index. */
    interface Write {
        void to(JsonGenerator json, Window values, long index) throws IOException;
    }

    private final Write write;
    private Window values = Window.of(new byte[0]);

    PlainColumn(Write write) {
        this.write = write;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        values = batch.buffer();
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        write.to(json, values, index);
    }
}
