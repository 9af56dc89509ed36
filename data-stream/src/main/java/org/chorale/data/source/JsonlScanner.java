// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.data.table.JsonLines;

/** Finds the rows on the lines of a file, and reads each once so that none fails later. */
final class JsonlScanner {
    private final RowExamples examples;
    private final IndexWriter index;
    private final Rejections rejections;

    JsonlScanner(RowExamples examples, IndexWriter index, Rejections rejections) {
        this.examples = examples;
        this.index = index;
        this.rejections = rejections;
    }

    /** Reads the stream to its end. */
    void scan(Path path, InputStream in) throws IOException {
        LineReader lines = new LineReader(in, RowJson.MAX_BYTES);
        while (lines.next()) {
            if (lines.tooLong()) {
                rejections.reject(place(path, lines), "the row is longer than 64 MiB; must be shorter");
            } else if (FileKind.of(path.toString()).isTable() && JsonLines.isProblem(lines.line())) {
                rejections.reject(place(path, lines), JsonLines.problem(lines.line()));
            } else if (!lines.blank()) {
                scanRow(path, lines);
            }
        }
    }

    private void scanRow(Path path, LineReader lines) {
        try {
            Optional<Example> example = examples.judged(lines.line());
            if (example.isEmpty()) {
                index.countFiltered();
                return;
            }
            index.add(lines.offset(), lines.line().remaining());
            if (example.get().needsTemplate()) {
                index.countChat();
            }
        } catch (MalformedRowException e) {
            rejections.reject(place(path, lines), String.valueOf(e.getMessage()));
        }
    }

    private static RowPlace place(Path path, LineReader lines) {
        return RowPlace.of(path, lines.number());
    }
}
