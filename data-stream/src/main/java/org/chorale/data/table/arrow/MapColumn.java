// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/** Maps from texts or numbers, which become objects: lists of entries, each with a key and a value. */
final class MapColumn extends Column {
    private static final JsonFactory JSON = new JsonFactory();

    private final Offsets offsets = new Offsets(false);
    private final Column keys;
    private final Column values;
    private final StructColumn entries;

    MapColumn(Column keys, Column values, StructColumn entries) {
        this.keys = keys;
        this.values = values;
        this.entries = entries;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        offsets.load(batch);
        entries.load(batch);
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        json.writeStartObject();
        for (long at = offsets.begin(index); at < offsets.end(index); at++) {
            json.writeFieldName(name(at));
            values.writeAny(json, at);
        }
        json.writeEndObject();
    }

    /** A key as a text: that of a text is itself, that of a number its digits. */
    private String name(long at) throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            keys.write(json, at);
        }
        try (JsonParser parser = JSON.createParser(text.toByteArray())) {
            parser.nextToken();
            return parser.getText();
        }
    }
}
