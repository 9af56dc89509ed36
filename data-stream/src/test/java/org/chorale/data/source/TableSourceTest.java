// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.chorale.data.table.Tables;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TableSourceTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"polars-zstd.parquet", "polars-lz4.arrow"})
    void rowsOfATableAreExamplesOnceAndAgain(String name) throws IOException {
        Path file = Files.copy(Tables.file(name), folder.resolve("train" + name.substring(name.indexOf('.'))));
        for (int time = 1; time <= 2; time++) { // converted, and found again
            try (ExampleSource source = open(reading(file, RowFormat.MESSAGES, Map.of()))) {
                assertThat(source.examples()).isEqualTo(50);
                Example.Chat chat = (Example.Chat) source.read(1);
                assertThat(chat.messages())
                        .hasToString(
                                "[{\"role\":\"user\",\"content\":\"q1\"},{\"role\":\"assistant\",\"content\":\"a1\"}]");
                assertThat(source.place(1)).hasToString(file + ", row 2");
            }
        }
    }

    @Test
    void aMalformedRowOfATableIsNamedByFileAndRow() throws IOException {
        Path file = write("train.csv", "text\n\"two\nlines\"\nx,y\n\nlast\n");
        assertFault(
                () -> open(SourceConfig.of(file)),
                FaultCode.DATA_MALFORMED,
                file + ", row 2: the row of line 4 has 2 cells; must have 1");
        SourceSettings skipping = new SourceSettings("data.train.path", file, MalformedRows.SKIP, 64);
        try (ExampleSource source = ExampleSource.open(skipping, TextTokenizer.none(), index())) {
            assertThat(all(source))
                    .containsExactly(new Example.Text("two\nlines", true), new Example.Text("last", true));
            assertThat(source.skipped().count()).isEqualTo(1);
        }
    }

    @Test
    void aLineThatBeginsLikeAConvertersRemarkIsNothingSpecialInAFileOfLines() throws IOException {
        Path file = write("train.jsonl", "!remark\n");
        assertFault(() -> open(SourceConfig.of(file)), FaultCode.DATA_MALFORMED, file + ":1: the row is not JSON");
    }

    @Test
    void bytesThatAreNoTextAreRefusedWhereATextIsWanted() {
        Path file = Tables.file("types.parquet");
        assertFault(
                () -> open(reading(file, RowFormat.TEXT, Map.of("text", "bin"))),
                FaultCode.DATA_MALFORMED,
                file + ", row 1: field bin is binary data; must be a text in quotes");
    }

    @Test
    void aDamagedTableIsNamedAndLeavesNothingBehind() throws IOException {
        byte[] whole = Files.readAllBytes(Tables.file("polars-zstd.parquet"));
        Path file = Files.write(folder.resolve("train.parquet"), Arrays.copyOf(whole, 4000));
        assertFault(() -> open(SourceConfig.of(file)), FaultCode.DATA_MALFORMED, file + ": is no whole Parquet file");
        try (Stream<Path> left = Files.list(folder.resolve("run/index/train.expanded"))) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void csvMayBeCompressedAndParquetMayNot() throws IOException {
        Path csv = folder.resolve("train.csv.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(csv))) {
            out.write("prompt,completion\np,c\n".getBytes(StandardCharsets.UTF_8));
        }
        try (ExampleSource source = open(SourceConfig.of(csv))) {
            assertThat(all(source)).containsExactly(new Example.Pair("p", "c"));
        }
        Path parquet = write("train.parquet.gz", "");
        assertFault(() -> open(SourceConfig.of(parquet)), FaultCode.DATA_MALFORMED, "must be expanded");
    }

    @Test
    void aGlobTakesItsFilesInTheOrderOfTheirNames() throws IOException {
        write("shards/b.jsonl", "{\"text\": \"second\"}\n");
        write("shards/a.csv", "text\nfirst\n");
        write("shards/c.json", "[{\"text\": \"third\"}]");
        write("shards/deep/d.jsonl", "{\"text\": \"not in this glob\"}\n");
        write("shards/.hidden.jsonl", "{\"text\": \"hidden\"}\n");
        try (ExampleSource source = open(SourceConfig.of(folder.resolve("shards/*.{jsonl,csv,json}")))) {
            assertThat(all(source))
                    .containsExactly(
                            new Example.Text("first", true),
                            new Example.Text("second", true),
                            new Example.Text("third", true));
            assertThat(source.place(1)).hasToString(folder.resolve("shards/b.jsonl") + ":1");
        }
    }

    @Test
    void aGlobThatMatchesNothingOrBothKindsIsRefused() throws IOException {
        write("a.jsonl", "{\"text\": \"x\"}\n");
        write("b.txt", "text");
        assertFault(
                () -> open(SourceConfig.of(folder.resolve("*.csv"))),
                FaultCode.FILE_MISSING,
                "no file in " + folder + " matches *.csv");
        assertFault(
                () -> open(SourceConfig.of(folder.resolve("*"))),
                FaultCode.CONFIG_INVALID,
                "1 of its 2 files have rows");
        assertFault(
                () -> open(SourceConfig.of(folder.resolve("{a.jsonl"))),
                FaultCode.CONFIG_INVALID,
                "the glob {a.jsonl cannot be read");
    }

    @Test
    void whatIsChosenInVainIsRefused() throws IOException {
        Path rows = write("a.jsonl", "{\"text\": \"x\"}\n");
        write("texts/b.txt", "text");
        Path texts = folder.resolve("texts");
        SourceConfig split =
                new SourceConfig(Optional.of(rows), RowFormat.AUTO, Map.of(), Optional.empty(), Optional.of("train"));
        assertFault(() -> open(split), FaultCode.CONFIG_INVALID, "data.train.split has no meaning");
        assertFault(
                () -> open(reading(texts, RowFormat.ALPACA, Map.of())),
                FaultCode.CONFIG_INVALID,
                "data.train.format has no meaning");
        assertFault(
                () -> open(reading(texts, RowFormat.AUTO, Map.of("text", "t"))),
                FaultCode.CONFIG_INVALID,
                "data.train.columns has no meaning");
    }

    private static SourceConfig reading(Path path, RowFormat format, Map<String, String> columns) {
        return new SourceConfig(Optional.of(path), format, columns, Optional.empty(), Optional.empty());
    }

    private ExampleSource open(SourceConfig reading) {
        SourceSettings settings =
                new SourceSettings("data.train.path", reading.path().orElseThrow(), reading, MalformedRows.FAIL, 64);
        return ExampleSource.open(settings, TextTokenizer.none(), index());
    }

    private Path index() {
        return folder.resolve("run/index/train.idx");
    }

    private Path write(String name, String contents) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, contents);
    }

    private static List<Example> all(ExampleSource source) {
        return LongStream.range(0, source.examples()).mapToObj(source::read).toList();
    }

    private static void assertFault(ThrowingCallable call, FaultCode code, String message) {
        assertThatThrownBy(call).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(code);
            assertThat(e.fault().message()).contains(message);
        });
    }
}
