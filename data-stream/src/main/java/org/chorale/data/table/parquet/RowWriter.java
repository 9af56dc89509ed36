// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Objects;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.io.api.RecordMaterializer;
import org.apache.parquet.schema.MessageType;
import org.chorale.data.table.JsonLines;
import org.jspecify.annotations.Nullable;

/**
 * Writes records as JSON while they are assembled: each column's values come with calls, in the order of the schema, and
 * nulls do not come at all, so that they are missing in the row.
 */
final class RowWriter extends RecordMaterializer<Void> {
    /** What writes a part of a value. */
    interface Write {
        void to(JsonGenerator json) throws IOException;
    }

    private final JsonLines rows;
    private final StructConverter root;
    private @Nullable JsonGenerator json; // of the row that is written

    RowWriter(MessageType schema, JsonLines rows) {
        this.rows = rows;
        this.root = new StructConverter(schema, this, null);
    }

    void begin() {
        try {
            json = rows.begin();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void end() {
        try {
            rows.end();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A failure to write cannot pass the library's calls as it is. */
    void write(Write part) {
        try {
            part.to(Objects.requireNonNull(json));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public @Nullable Void getCurrentRecord() {
        return null; // it is written
    }

    @Override
    public GroupConverter getRootConverter() {
        return root;
    }
}
