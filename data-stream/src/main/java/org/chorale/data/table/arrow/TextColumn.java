// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import org.chorale.data.table.Cells;

/** Texts or bytes, one behind the other. */
final class TextColumn extends Column {
    private final Offsets offsets;
    private Window bytes = Window.of(new byte[0]);

    TextColumn(boolean large) {
        this.offsets = new Offsets(large);
    }

    @Override
    void loadValues(BatchBuffers batch) {
        offsets.load(batch);
        bytes = batch.buffer();
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        long begin = offsets.begin(index);
        Cells.text(json, bytes.slice(begin, Math.toIntExact(offsets.end(index) - begin)));
    }
}
