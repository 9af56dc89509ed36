// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.io.InputStream;
import org.chorale.data.table.JsonLines;
import org.chorale.data.table.TableException;

/** Converts a JSON file of objects, in a list or one after the other, as it is read. */
public final class JsonTable {
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxDocumentLength(-1)
                    .maxStringLength(JsonLines.MAX_ROW_BYTES)
                    .maxNestingDepth(100)
                    .build())
            .build();

    private JsonTable() {}

    /**
     * Converts all objects.
     *
     * @throws TableException where it is no JSON, or ends before its end
     */
    public static void convert(InputStream in, JsonLines rows) throws IOException, TableException {
        try (JsonParser parser = JSON.createParser(in)) {
            JsonToken token = parser.nextToken();
            boolean list = token == JsonToken.START_ARRAY;
            for (token = list ? parser.nextToken() : token;
                    token != null && token != JsonToken.END_ARRAY;
                    token = parser.nextToken()) {
                if (token != JsonToken.START_OBJECT) {
                    throw new TableException("has something at line %d that is no object; must be a list of objects"
                            .formatted(parser.currentLocation().getLineNr()));
                }
                row(parser, rows);
            }
            if (list && (token == null || parser.nextToken() != null)) {
                throw new TableException(token == null ? "ends before its list does" : "goes on after its list");
            }
        } catch (JsonProcessingException e) {
            String line =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw new TableException("is not JSON%s: %s".formatted(line, e.getOriginalMessage()), e);
        }
    }

    /** Copies the columns of the object that has begun. */
    private static void row(JsonParser parser, JsonLines rows) throws IOException {
        JsonGenerator json = rows.begin();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            json.copyCurrentStructure(parser);
        }
        rows.end();
    }
}
