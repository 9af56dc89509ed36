// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.chorale.data.table.Cells;

/** Texts or bytes by views of 16 bytes: a short one stands in its view, a longer one in one of several buffers. */
final class ViewColumn extends Column {
    private static final int VIEW_BYTES = 16;
    private static final int SHORT_BYTES = 12;
    private static final int BUFFER_AT = 8;
    private static final int OFFSET_AT = 12;

    private final List<Window> buffers = new ArrayList<>();
    private Window views = Window.of(new byte[0]);

    @Override
    void loadValues(BatchBuffers batch) {
        views = batch.buffer();
        buffers.clear();
        for (int left = batch.variadicBuffers(); left > 0; left--) {
            buffers.add(batch.buffer());
        }
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        long view = index * VIEW_BYTES;
        int length = views.intAt(view);
        Cells.text(
                json,
                length <= SHORT_BYTES
                        ? views.slice(view + Integer.BYTES, length)
                        : buffers.get(views.intAt(view + BUFFER_AT)).slice(views.intAt(view + OFFSET_AT), length));
    }
}
