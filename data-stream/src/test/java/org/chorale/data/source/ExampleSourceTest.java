// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.chorale.data.disk.Sha256;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExampleSourceTest {
    private static TextTokenizer tokenizer;

    @TempDir
    Path folder;

    @BeforeAll
    static void loadTokenizer() {
        tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);
    }

    @AfterAll
    static void closeTokenizer() {
        tokenizer.close();
    }

    @Test
    void rowsOfBothShapesAreReadByNumber() throws IOException {
        Path file = write(
                "train.jsonl",
                "\uFEFF{\"text\": \"größe\"}\r\n\n  \t\n{\"prompt\": \"p\", \"completion\": \"c\"}\n{\"text\": \"end\"}");
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            assertThat(all(source))
                    .containsExactly(
                            new Example.Text("größe", true), new Example.Pair("p", "c"), new Example.Text("end", true));
            assertThat(source.skipped().count()).isZero();
            assertThat(source.digest()).isEqualTo(Sha256.hex(Files.readAllBytes(file)));
        }
    }

    @Test
    void aMalformedRowEndsTheRunWithFileAndLine() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n\n{\"text\": 7}\n");
        assertFault(
                () -> open(file, MalformedRows.FAIL),
                FaultCode.DATA_MALFORMED,
                file + ":3: field text is a number; must be a text in quotes");
    }

    @Test
    void aTruncatedLastLineIsNamed() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b");
        assertFault(
                () -> open(file, MalformedRows.FAIL), FaultCode.DATA_MALFORMED, file + ":2: the row ends before its");
    }

    @Test
    void skippedRowsAreLeftOutAndCounted() throws IOException {
        Path file = write("train.jsonl", "nonsense\n{\"text\": \"a\"}\n{}\n{\"text\": \"b\"}\n\n{\"text\": \"c");
        for (int time = 1; time <= 2; time++) { // made, and read again
            try (ExampleSource source = open(file, MalformedRows.SKIP)) {
                assertThat(all(source)).containsExactly(new Example.Text("a", true), new Example.Text("b", true));
                assertThat(source.skipped().count()).isEqualTo(3);
            }
        }
    }

    @Test
    void anOverlongRowIsMalformedAndTheNextOneIsFound() throws IOException {
        Path file = folder.resolve("train.jsonl");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.seek(RowJson.MAX_BYTES + 10L);
            sparse.write("\n{\"text\": \"next\"}\n".getBytes(StandardCharsets.UTF_8));
        }
        try (ExampleSource source = open(file, MalformedRows.SKIP)) {
            assertThat(all(source)).containsExactly(new Example.Text("next", true));
        }
        assertFault(
                () -> open(file, MalformedRows.FAIL),
                FaultCode.DATA_MALFORMED,
                file + ":1: the row is longer than 64 MiB");
    }

    @Test
    void aMissingPathIsNamedWithItsKey() {
        Path missing = folder.resolve("none.jsonl");
        assertFault(
                () -> open(missing, MalformedRows.FAIL),
                FaultCode.FILE_MISSING,
                "data.train.path = " + missing + ": " + missing + " does not exist");
    }

    @Test
    void aFileOfAnotherKindIsRefused() throws IOException {
        Path file = write("train.pdf", "%PDF");
        assertFault(
                () -> open(file, MalformedRows.FAIL),
                FaultCode.CONFIG_INVALID,
                "must be a file of rows (.jsonl, .json, .csv, .tsv, .parquet or .arrow), a folder");
    }

    @ParameterizedTest
    @EnumSource(MalformedRows.class)
    void aSourceWithoutExamplesIsRefused(MalformedRows policy) throws IOException {
        Path file = write("train.jsonl", "\n  \n");
        assertFault(() -> open(file, policy), FaultCode.DATA_EMPTY, "data.train.path = " + file);
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertFault(() -> open(empty, policy), FaultCode.DATA_EMPTY, "has no usable example");
        assertThat(index()).doesNotExist();
    }

    @Test
    void anUnchangedSourceIsNotReadAgain() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n");
        open(file, MalformedRows.FAIL).close();
        FileTime made = Files.getLastModifiedTime(index());
        FileTime time = Files.getLastModifiedTime(file);
        Files.writeString(file, "{\"text\": \"b\"}\n"); // same size, and the old time: nobody looks
        Files.setLastModifiedTime(file, time);
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            assertThat(Files.getLastModifiedTime(index())).isEqualTo(made);
            assertThat(source.digest()).isEqualTo(Sha256.hex("{\"text\": \"a\"}\n".getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Test
    void aTouchedSourceWithTheSameContentsGoesOn() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n");
        open(file, MalformedRows.FAIL).close();
        Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2020-01-01T00:00:00Z")));
        byte[] before = Files.readAllBytes(index());
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            assertThat(all(source)).containsExactly(new Example.Text("a", true));
            assertThat(Files.readAllBytes(index())).isNotEqualTo(before);
        }
    }

    @Test
    void changedDataIsRefusedAgainAndAgainAndTheOldDataAccepted() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n");
        open(file, MalformedRows.FAIL).close();
        write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
        for (int time = 1; time <= 2; time++) {
            assertFault(
                    () -> open(file, MalformedRows.FAIL),
                    FaultCode.DATA_CHANGED,
                    file + ": is not what the run began with; bring the old data back, or give a new run directory");
        }
        write("train.jsonl", "{\"text\": \"a\"}\n");
        open(file, MalformedRows.FAIL).close();
    }

    @Test
    void otherSettingsMakeAnotherIndex() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": 7}\n");
        open(file, MalformedRows.SKIP).close();
        assertFault(() -> open(file, MalformedRows.FAIL), FaultCode.DATA_MALFORMED, file + ":2:");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 7, 11, 14, 30, 60, -1, -9, -20})
    void aCorruptIndexIsMadeAnew(int at) throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
        open(file, MalformedRows.FAIL).close();
        byte[] whole = Files.readAllBytes(index());
        byte[] corrupt = whole.clone();
        corrupt[at < 0 ? corrupt.length + at : at] ^= 0x10;
        Files.write(index(), corrupt);
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            assertThat(all(source)).hasSize(2);
        }
        assertThat(Files.readAllBytes(index())).isEqualTo(whole);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 5, 27, 28, 40})
    void aTruncatedIndexIsMadeAnew(int bytes) throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
        open(file, MalformedRows.FAIL).close();
        byte[] whole = Files.readAllBytes(index());
        Files.write(index(), Arrays.copyOf(whole, bytes));
        open(file, MalformedRows.FAIL).close();
        assertThat(Files.readAllBytes(index())).isEqualTo(whole);
    }

    @Test
    void aFileThatShrinksUnderARunIsNoticed() throws IOException {
        Path file = write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            write("train.jsonl", "{\"text\": \"a\"}\n{\"te");
            assertFault(() -> source.read(1), FaultCode.DATA_CHANGED, file + ", byte 14: example 1 is no longer");
            write("train.jsonl", "{\"text\": \"a\"}\n{\"text\": xxx}\n");
            assertFault(() -> source.read(1), FaultCode.DATA_CHANGED, "is not JSON");
        }
    }

    @Test
    void rowsAreFoundInALargeFileFromManyThreads() throws IOException {
        StringBuilder rows = new StringBuilder();
        IntStream.range(0, 20_000)
                .forEach(i -> rows.append("{\"text\": \"row ")
                        .append(i)
                        .append("-".repeat(i % 50))
                        .append("\"}\n"));
        Path file = write("train.jsonl", rows.toString());
        try (ExampleSource source = open(file, MalformedRows.FAIL)) {
            assertThat(source.examples()).isEqualTo(20_000);
            IntStream.range(0, 20_000)
                    .parallel()
                    .forEach(i -> assertThat(source.read(i))
                            .isEqualTo(new Example.Text("row " + i + "-".repeat(i % 50), true)));
        }
    }

    @Test
    void aFolderIsReadInTheOrderOfItsNames() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        write("texts/b.txt", "second");
        write("texts/a/z.md", "first\n");
        write("texts/c", "\uFEFFthird");
        write("texts/empty", "");
        write("texts/.hidden", "no");
        write("texts/.git/config", "no");
        try (ExampleSource source = open(texts, MalformedRows.FAIL)) {
            assertThat(all(source))
                    .containsExactly(
                            new Example.Text("first\n", true),
                            new Example.Text("second", true),
                            new Example.Text("third", true));
        }
    }

    @Test
    void aFolderOfManyFilesNeedsNoDescriptorForEach() throws IOException {
        for (int i = 0; i < 200; i++) {
            write("texts/%03d.txt".formatted(i), "text " + i);
        }
        try (ExampleSource source = open(folder.resolve("texts"), MalformedRows.FAIL)) {
            assertThat(all(source))
                    .isEqualTo(IntStream.range(0, 200)
                            .mapToObj(i -> (Example) new Example.Text("text " + i, true))
                            .toList());
        }
    }

    @Test
    void theDigestOfAFolderIsThatOfWhatSha256sumPrints() throws IOException {
        write("texts/a.txt", "first");
        write("texts/b.txt", "second");
        String printed = Sha256.hex("first".getBytes(StandardCharsets.UTF_8)) + "  a.txt\n"
                + Sha256.hex("second".getBytes(StandardCharsets.UTF_8)) + "  b.txt\n";
        try (ExampleSource source = open(folder.resolve("texts"), MalformedRows.FAIL)) {
            assertThat(source.digest()).isEqualTo(Sha256.hex(printed.getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Test
    void aFileThatIsNoTextIsMalformedAsAWhole() throws IOException {
        write("texts/a.txt", "fine\n".repeat(1000));
        Path image = folder.resolve("texts/image.png");
        Files.write(image, new byte[] {'x', '\n', (byte) 0x89, 'P', 'N', 'G'});
        assertFault(
                () -> open(folder.resolve("texts"), MalformedRows.FAIL),
                FaultCode.DATA_MALFORMED,
                image + ":2: the file is not valid UTF-8");
        try (ExampleSource source = open(folder.resolve("texts"), MalformedRows.SKIP)) {
            assertThat(source.skipped().count()).isEqualTo(1);
            assertThat(all(source))
                    .allSatisfy(text -> assertThat(((Example.Text) text).text()).startsWith("fine"));
        }
    }

    @Test
    void aFileMoreOrLessIsAChange() throws IOException {
        write("texts/a.txt", "first");
        open(folder.resolve("texts"), MalformedRows.FAIL).close();
        write("texts/b.txt", "second");
        assertFault(
                () -> open(folder.resolve("texts"), MalformedRows.FAIL), FaultCode.DATA_CHANGED, "is not what the run");
    }

    private ExampleSource open(Path path, MalformedRows policy) {
        SourceSettings settings = new SourceSettings("data.train.path", path, policy, 64);
        return ExampleSource.open(settings, tokenizer, index());
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
