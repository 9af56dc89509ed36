// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.chorale.data.disk.DurableFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** What is written beside the index for people: what the data is, and which numbers of examples are which source's. */
record DataFiles(FeedSettings settings) {
    private static final ObjectMapper JSON = new ObjectMapper();

    void write(RunData data) {
        write(settings.reportFile(), String.join("\n", DataReport.known(data).lines()) + "\n");
        write(settings.sourcesFile(), sources(data.train()).toPrettyString() + "\n");
    }

    /** With these, a number in {@code samples} of metrics.jsonl names source and example. */
    private static ArrayNode sources(Corpus train) {
        ArrayNode sources = JSON.createArrayNode();
        for (Corpus.Part part : train.parts()) {
            ObjectNode source = sources.addObject();
            source.put("key", part.source().key());
            source.put("path", part.source().entry().path().toString());
            source.put("first_example", part.first());
            source.put("examples", part.examples().count());
            source.put("rows_filtered", part.examples().source().rowsFiltered());
            source.put("rows_skipped", part.rowsSkipped());
            source.put("sha256", part.examples().source().digest());
        }
        return sources;
    }

    private static void write(Path file, String text) {
        try (DurableFile out = DurableFile.begin(file)) {
            out.out().write(text.getBytes(StandardCharsets.UTF_8));
            out.commit();
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, file + " cannot be written: " + e, e);
        }
    }
}
