// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.io.api.PrimitiveConverter;
import org.apache.parquet.io.api.RecordMaterializer;
import org.chorale.data.source.Example;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.MalformedRows;
import org.chorale.data.source.SourceSettings;
import org.chorale.data.table.TableException;
import org.chorale.data.table.parquet.ParquetTable;
import org.chorale.data.tokenizer.TextTokenizer;

/**
 * Rows per second, of files of {@code prompt} and {@code completion} of the same rows: ours to an index of checked
 * examples, which is done once, and from there to examples; and beside it the reading library alone, which makes a text of
 * every cell and looks at its length.
 *
 * <p>Argument: a folder with {@code rows.jsonl}, {@code rows.csv} and {@code rows.parquet}. One thread, rounds in turn.
 * Prints Markdown.
 */
public final class RowsBench {
    private static final int ROUNDS = 5;

    /** Reads a file and says how many characters its cells have. */
    private interface Reading {
        long chars() throws IOException, TableException;
    }

    private RowsBench() {}

    /** Runs and prints. */
    public static void main(String[] arguments) throws IOException, TableException {
        Path folder = Path.of(arguments[0]);
        System.out.println("| | to an index, rows/s | index to examples, rows/s | library alone, rows/s |");
        System.out.println("| --- | --- | --- | --- |");
        compare(folder.resolve("rows.jsonl"), () -> jackson(folder.resolve("rows.jsonl")));
        compare(folder.resolve("rows.csv"), () -> fastCsv(folder.resolve("rows.csv")));
        compare(folder.resolve("rows.parquet"), () -> parquet(folder.resolve("rows.parquet")));
    }

    private static void compare(Path file, Reading library) throws IOException, TableException {
        double[][] seconds = new double[3][ROUNDS];
        long rows = 0;
        for (int round = -1; round < ROUNDS; round++) { // one to warm up
            Path index = Files.createTempDirectory("chorale-rows-bench-");
            double[] now = new double[3];
            long began = System.nanoTime();
            try (ExampleSource source = open(file, index)) {
                now[0] = since(began);
                rows = source.examples();
                began = System.nanoTime();
                long ours = chars(source);
                now[1] = since(began);
                began = System.nanoTime();
                if (ours != library.chars()) {
                    throw new IllegalStateException(file + ": they do not read the same");
                }
                now[2] = since(began);
            }
            delete(index);
            for (int i = 0; round >= 0 && i < now.length; i++) {
                seconds[i][round] = now[i];
            }
        }
        System.out.printf(
                Locale.ROOT,
                "| %s, %,d rows, %,d MB | %,.0f | %,.0f | %,.0f |%n",
                file.getFileName(),
                rows,
                Files.size(file) / 1_000_000,
                rows / median(seconds[0]),
                rows / median(seconds[1]),
                rows / median(seconds[2]));
    }

    private static ExampleSource open(Path file, Path folder) {
        return ExampleSource.open(
                new SourceSettings("rows", file, MalformedRows.FAIL, 1 << 20),
                TextTokenizer.none(),
                folder.resolve("rows.idx"));
    }

    private static long chars(ExampleSource source) {
        long chars = 0;
        for (long i = 0; i < source.examples(); i++) {
            Example.Pair pair = (Example.Pair) source.read(i);
            chars += pair.prompt().length() + pair.completion().length();
        }
        return chars;
    }

    private static long jackson(Path file) throws IOException {
        long chars = 0;
        try (JsonParser parser = new JsonFactory().createParser(file.toFile())) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                chars += token == JsonToken.VALUE_STRING ? parser.getText().length() : 0;
            }
        }
        return chars;
    }

    private static long fastCsv(Path file) throws IOException {
        long chars = 0;
        try (CsvReader<CsvRecord> reader = CsvReader.builder().ofCsvRecord(file)) {
            for (CsvRecord row : reader) {
                chars += row.getField(0).length() + row.getField(1).length();
            }
        }
        return chars - "prompt".length() - "completion".length();
    }

    private static long parquet(Path file) throws IOException, TableException {
        Lengths lengths = new Lengths();
        ParquetTable.read(file, schema -> lengths);
        return lengths.chars;
    }

    /** What Parquet's column library assembles, made texts and counted. */
    private static final class Lengths extends RecordMaterializer<Long> {
        private long chars;

        private final PrimitiveConverter cell = new PrimitiveConverter() {
            @Override
            public void addBinary(Binary value) {
                chars += new String(value.getBytesUnsafe(), StandardCharsets.UTF_8).length();
            }
        };

        @Override
        public Long getCurrentRecord() {
            return chars;
        }

        @Override
        public GroupConverter getRootConverter() {
            return new GroupConverter() {
                @Override
                public Converter getConverter(int fieldIndex) {
                    return cell;
                }

                @Override
                public void start() {}

                @Override
                public void end() {}
            };
        }
    }

    private static double since(long began) {
        return (System.nanoTime() - began) / 1e9;
    }

    private static double median(double[] values) {
        double[] sorted = Arrays.stream(values).sorted().toArray();
        return sorted[sorted.length / 2];
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
