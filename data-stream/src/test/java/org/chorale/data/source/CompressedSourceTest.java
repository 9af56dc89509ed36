// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
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
import org.junit.jupiter.params.provider.ValueSource;

class CompressedSourceTest {
    private static final byte[] ROWS =
            "{\"text\": \"größe\"}\n{\"prompt\": \"p\", \"completion\": \"c\"}\n".getBytes(StandardCharsets.UTF_8);

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

    @ParameterizedTest
    @ValueSource(strings = {".gz", ".zst"})
    void anArchiveIsReadLikeItsContents(String kind) throws IOException {
        Path file = Files.write(folder.resolve("train.jsonl" + kind), compressed(ROWS, kind));
        for (int time = 1; time <= 2; time++) { // expanded, and found again
            try (ExampleSource source = open(file)) {
                assertThat(all(source)).containsExactly(new Example.Text("größe", true), new Example.Pair("p", "c"));
                assertThat(source.digest()).isEqualTo(Sha256.hex(ROWS));
                assertThat(source.place(1)).hasToString(file + ":2");
            }
        }
        assertThat(expanded()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {".gz", ".zst"})
    void severalMembersAreOneFile(String kind) throws IOException {
        byte[] one = compressed(ROWS, kind);
        Path file = Files.write(folder.resolve("train.jsonl" + kind), joined(one, one, one));
        try (ExampleSource source = open(file)) {
            assertThat(source.examples()).isEqualTo(6);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {".gz", ".zst"})
    void aDamagedArchiveIsNamedAndLeavesNothingBehind(String kind) throws IOException {
        byte[] rows = IntStream.range(0, 5000)
                .mapToObj(i -> "{\"text\": \"row " + Integer.toHexString(i * 0x9E3779B9) + "\"}\n")
                .reduce("", String::concat)
                .getBytes(StandardCharsets.UTF_8);
        byte[] whole = compressed(rows, kind);
        byte[] flipped = whole.clone();
        flipped[whole.length / 2] ^= 0x55;
        List<byte[]> damaged = List.of(
                Arrays.copyOf(whole, whole.length / 2),
                Arrays.copyOf(whole, whole.length - 3),
                Arrays.copyOf(whole, 3),
                new byte[0],
                flipped,
                joined(whole, "something else that follows".getBytes(StandardCharsets.UTF_8)),
                rows);
        for (byte[] bytes : damaged) {
            Path file = Files.write(folder.resolve("train.jsonl" + kind), bytes);
            assertThatThrownBy(() -> open(file)).isInstanceOfSatisfying(FaultException.class, e -> {
                assertThat(e.fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
                assertThat(e.fault().message()).startsWith(file + ": is no whole ");
            });
            assertThat(expanded()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {".gz", ".zst"})
    void anArchiveThatIsMadeToFillTheDiskIsRefused(String kind) throws IOException {
        Path file = folder.resolve("train.jsonl" + kind);
        try (OutputStream out = compressing(Files.newOutputStream(file), kind)) {
            byte[] nothing = new byte[1 << 20];
            for (int i = 0; i < 300; i++) {
                out.write(nothing);
            }
        }
        assertThatThrownBy(() -> open(file))
                .hasMessageContaining(file + ": expands to more than 200 times its size; expand it yourself");
        assertThat(expanded()).isEmpty();
    }

    @Test
    void aHalfExpandedFileOfAnEarlierAttemptIsNotUsed() throws IOException {
        Path file = Files.write(folder.resolve("train.jsonl.gz"), compressed(ROWS, ".gz"));
        open(file).close();
        Path whole = expanded().get(0);
        Files.delete(folder.resolve("run/index/train.idx"));
        Files.move(whole, whole.resolveSibling(whole.getFileName() + ".tmp"));
        Files.writeString(whole.resolveSibling(whole.getFileName() + ".tmp"), "{\"text\": \"ha");
        try (ExampleSource source = open(file)) {
            assertThat(source.examples()).isEqualTo(2);
        }
        assertThat(expanded()).containsExactly(whole);
    }

    @Test
    void anotherArchiveOfTheSameContentsGoesOnAndReplacesWhatWasExpanded() throws IOException {
        Path file = Files.write(folder.resolve("train.jsonl.gz"), compressed(ROWS, ".gz"));
        open(file).close();
        Path before = expanded().get(0);
        Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2020-01-01T00:00:00Z")));
        open(file).close();
        assertThat(expanded()).hasSize(1).doesNotContain(before);
    }

    @Test
    void textsOfAFolderMayBeCompressed() throws IOException {
        Path texts = Files.createDirectory(folder.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), "plain");
        Files.write(texts.resolve("b.txt.gz"), compressed("zipped".getBytes(StandardCharsets.UTF_8), ".gz"));
        Files.write(texts.resolve("c.txt.zst"), compressed("packed".getBytes(StandardCharsets.UTF_8), ".zst"));
        try (ExampleSource source = open(texts)) {
            assertThat(all(source))
                    .containsExactly(
                            new Example.Text("plain", true),
                            new Example.Text("zipped", true),
                            new Example.Text("packed", true));
        }
    }

    private ExampleSource open(Path path) {
        SourceSettings settings = new SourceSettings("data.train.path", path, MalformedRows.FAIL, 64);
        return ExampleSource.open(settings, tokenizer, folder.resolve("run/index/train.idx"));
    }

    private List<Path> expanded() throws IOException {
        Path expanded = folder.resolve("run/index/train.expanded");
        if (!Files.exists(expanded)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(expanded)) {
            return files.toList();
        }
    }

    private static List<Example> all(ExampleSource source) {
        return LongStream.range(0, source.examples()).mapToObj(source::read).toList();
    }

    private static byte[] compressed(byte[] contents, String kind) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream out = compressing(bytes, kind)) {
            out.write(contents);
        }
        return bytes.toByteArray();
    }

    private static OutputStream compressing(OutputStream out, String kind) throws IOException {
        return kind.equals(".gz") ? new GZIPOutputStream(out) : new ZstdOutputStream(out).setChecksum(true);
    }

    private static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
