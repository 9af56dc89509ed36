// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** Finds the rows of a {@code .jsonl} file, and reads each once so that none fails later. */
final class JsonlScanner {
    private final SourceSettings source;
    private final IndexWriter index;
    private final Rejections rejections;

    JsonlScanner(SourceSettings source, IndexWriter index, Rejections rejections) {
        this.source = source;
        this.index = index;
        this.rejections = rejections;
    }

    /** Reads the stream to its end. */
    void scan(Path path, InputStream in) throws IOException {
        LineReader lines = new LineReader(in, RowJson.MAX_BYTES);
        while (lines.next()) {
            if (lines.tooLong()) {
                rejections.reject(path, lines.number(), "the row is longer than 64 MiB; must be shorter");
            } else if (!lines.blank()) {
                scanRow(path, lines);
            }
        }
    }

    private void scanRow(Path path, LineReader lines) {
        try {
            Example example = source.parse(lines.line());
            index.add(lines.offset(), lines.line().remaining());
            if (example instanceof Example.Chat) {
                index.countChat();
            }
        } catch (MalformedRowException e) {
            rejections.reject(path, lines.number(), String.valueOf(e.getMessage()));
        }
    }
}
