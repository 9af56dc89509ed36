// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import org.apache.arrow.flatbuf.FieldNode;
import org.jspecify.annotations.Nullable;

/** The values of one field in the batch that was loaded last. */
abstract class Column {
    private @Nullable Window validity; // a bit per value, null where all are there
    private long length;

    /** Takes what is this column's from the next batch. */
    void load(BatchBuffers batch) {
        FieldNode node = batch.node();
        length = node.length();
        Window bits = batch.buffer();
        validity = node.nullCount() == 0 || bits.isEmpty() ? null : bits;
        loadValues(batch);
    }

    /** Takes the buffers behind that of the nulls, and what is the children's. */
    abstract void loadValues(BatchBuffers batch);

    /** How many values there are. */
    final long length() {
        return length;
    }

    final void setLength(long length) {
        this.length = length;
    }

    boolean isNull(long index) {
        if (index < 0 || index >= length) {
            throw new IndexOutOfBoundsException("value %d of %d".formatted(index, length));
        }
        return validity != null && !validity.bit(index);
    }

    /** Writes a value that is not null. */
    abstract void write(JsonGenerator json, long index) throws IOException;

    /** Writes a value or a null. */
    final void writeAny(JsonGenerator json, long index) throws IOException {
        if (isNull(index)) {
            json.writeNull();
        } else {
            write(json, index);
        }
    }

    /** Writes a value behind its name; of a null nothing, as if the field were missing. */
    final void writeField(JsonGenerator json, String name, long index) throws IOException {
        if (!isNull(index)) {
            json.writeFieldName(name);
            write(json, index);
        }
    }
}
