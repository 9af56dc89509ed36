// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/** Tables that others wrote: {@code polars-*} by Polars, {@code v1-*} and {@code v2-*} by parquet-wasm (arrow-rs) of the same rows, {@code types} and {@code decimal} by Arrow's JavaScript library and parquet-wasm. */
public final class Tables {
    /** Converts a table. */
    public interface Conversion {
        void into(JsonLines rows) throws IOException, TableException;
    }

    private Tables() {}

    /** A file of the test resources. */
    public static Path file(String name) {
        try {
            return Path.of(Objects.requireNonNull(Tables.class.getResource("/tables/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The rows that the files of Polars and of parquet-wasm have. */
    public static List<String> rows() {
        try {
            return Files.readAllLines(file("rows.jsonl"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a conversion writes. */
    public static List<String> lines(Conversion conversion) throws IOException, TableException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        conversion.into(new JsonLines(out));
        return out.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
