// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.chorale.tensor.safetensors.HandMade.bytes;
import static org.chorale.tensor.safetensors.HandMade.entry;
import static org.chorale.tensor.safetensors.HandMade.withLength;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What each broken rule gets, in the words that a user sees. */
final class MalformedFileTest {
    @TempDir
    Path folder;

    record Case(String rule, ByteBuffer content, List<String> words) {
        @Override
        public String toString() {
            return rule;
        }
    }

    static Stream<Case> malformed() {
        return Stream.of(lengths(), json(), descriptions(), layouts(), otherFormats())
                .flatMap(cases -> cases);
    }

    private static Stream<Case> lengths() {
        return Stream.of(
                refused("an empty file", new byte[0], "has 0 bytes", "8 bytes of its header's length"),
                refused("a file of 5 bytes", new byte[5], "has 5 bytes"),
                refused("a header that is not there", withLength(60, new byte[0]), "header of 60 bytes", "truncated"),
                refused("a header cut off", withLength(60, "{\"w\":".getBytes(UTF_8)), "only 5 follow", "truncated"),
                refused("a length near 2^64", withLength(0xffffff000000003cL, new byte[0]), "at most 100000000"),
                refused("a length of 2^64-1", withLength(-1, new byte[0]), "header of 18446744073709551615 bytes"),
                refused("a length over the limit", withLength(100_000_001, new byte[0]), "at most 100000000"),
                refused("a header of no bytes", withLength(0, new byte[0]), "must begin with {"));
    }

    private static Stream<Case> json() {
        String w = entry("w", "U8", "[1]", 0, 1);
        return Stream.of(
                refused("bytes that are not UTF-8", withLength(1, new byte[] {(byte) 0xff}), "not UTF-8"),
                refused("overlong UTF-8", withLength(3, new byte[] {'{', (byte) 0xc0, (byte) 0x80}), "not UTF-8"),
                refused("a lone brace", bytes("{"), "not JSON"),
                refused("a header cut inside", bytes("{" + w), "not JSON"),
                refused("a leading bracket", bytes("[" + w + "]"), "must begin with {"),
                refused("a leading blank", bytes(" {}"), "must begin with {"),
                refused("a byte order mark", bytes("\uFEFF{}"), "byte order mark"),
                refused("text after the object", bytes("{}{}"), "goes on after its JSON object"),
                refused("zero bytes after the object", bytes("{}\0\0"), "not JSON"),
                refused("a trailing comma", bytes("{" + w + ",}", (byte) 1), "not JSON"),
                refused("single quotes", bytes("{'w':1}"), "not JSON"),
                refused("a comment", bytes("{/* */}"), "not JSON"),
                refused("the tensor twice", bytes("{" + w + "," + w + "}", (byte) 1), "has w twice"),
                refused("the tensor twice, once escaped", bytes("{" + w + ",\"\\u0077\":1}"), "has w twice"),
                refused("a depth bomb", bytes("{\"w\":" + "[".repeat(200_000)), "tensor w", "must be a JSON object"),
                refused("a depth bomb of objects", bytes("{\"w\":".repeat(100_000)), "tensor w", "has the field w"),
                refused("a name of 60,000 characters", bytes("{\"" + "n".repeat(60_000) + "\":1}"), "not JSON"),
                refused("half of a surrogate pair", bytes("{\"\\ud800\":1}"), "surrogate"),
                refused(
                        "metadata that is no object",
                        bytes("{\"__metadata__\":[]}"),
                        "__metadata__ must be a JSON object"),
                refused(
                        "a number in metadata",
                        bytes("{\"__metadata__\":{\"a\":1}}"),
                        "__metadata__.a must be a string"),
                refused(
                        "null in metadata",
                        bytes("{\"__metadata__\":{\"a\":null}}"),
                        "__metadata__.a must be a string"),
                refused("a key twice in metadata", bytes("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"), "has a twice"),
                refused("metadata twice", bytes("{\"__metadata__\":{},\"__metadata__\":{}}"), "__metadata__ twice"));
    }

    private static Stream<Case> descriptions() {
        return Stream.of(
                tensor("a number for a tensor", "1", "must be a JSON object, not 1"),
                tensor("an unknown dtype", fields("\"Q4\"", "[1]", "[0,1]"), "dtype Q4 is unknown", "BF16"),
                tensor("a dtype in lower case", fields("\"u8\"", "[1]", "[0,1]"), "dtype u8 is unknown"),
                tensor("a dtype that is no string", fields("8", "[1]", "[0,1]"), "dtype must be a string, not 8"),
                tensor("a negative size", fields("\"U8\"", "[-1]", "[0,1]"), "shape holds -1"),
                tensor("a fractional size", fields("\"U8\"", "[1.0]", "[0,1]"), "shape holds 1.0"),
                tensor("a shape that is no array", fields("\"U8\"", "1", "[0,1]"), "shape must be an array"),
                tensor("an array in a shape", fields("\"U8\"", "[[1]]", "[0,1]"), "shape holds ["),
                tensor("a string in a shape", fields("\"U8\"", "[\"1\"]", "[0,1]"), "only whole numbers"),
                tensor("65 dimensions", fields("\"U8\"", ones(65), "[0,1]"), "shape has more than 64"),
                tensor("negative offsets", fields("\"U8\"", "[1]", "[-1,0]"), "data_offsets holds -1"),
                tensor("fractional offsets", fields("\"U8\"", "[1]", "[0,1.5]"), "data_offsets holds 1.5"),
                tensor("an offset of 1e3", fields("\"U8\"", "[1]", "[0,1e3]"), "data_offsets holds 1e3"),
                tensor("an offset of 2^64-1", fields("\"U8\"", "[1]", "[0,18446744073709551615]"), "overflows"),
                tensor("one offset", fields("\"U8\"", "[1]", "[1]"), "must be [begin, end]"),
                tensor("three offsets", fields("\"U8\"", "[1]", "[0,1,2]"), "data_offsets has more than 2"),
                tensor("an end before its begin", fields("\"U8\"", "[1]", "[1,0]"), "begin <= end"),
                tensor("no dtype", "{\"shape\":[1],\"data_offsets\":[0,1]}", "has no dtype"),
                tensor("no shape", "{\"dtype\":\"U8\",\"data_offsets\":[0,1]}", "has no shape"),
                tensor("no offsets", "{\"dtype\":\"U8\",\"shape\":[1]}", "has no data_offsets"),
                tensor(
                        "a field too many",
                        "{\"order\":\"F\"}",
                        "has the field order",
                        "only dtype, shape and data_offsets"),
                tensor("a field twice", "{\"dtype\":\"U8\",\"dtype\":\"U8\"}", "has dtype twice"),
                tensor("4 bytes for 2 x 2 I32", fields("\"I32\"", "[2,2]", "[0,4]"), "takes 16 bytes", "hold 4"),
                tensor("a product of 2^65", fields("\"U8\"", "[2,18446744073709551614]", "[0,1]"), "overflows"),
                tensor("a product of 2^64", fields("\"U8\"", "[2,9223372036854775807]", "[0,1]"), "overflows"),
                tensor("strides that overflow", fields("\"U8\"", "[0,4294967296,4294967296]", "[0,0]"), "overflows"),
                tensor("bytes that overflow", fields("\"F64\"", "[2305843009213693952]", "[0,1]"), "overflows"),
                tensor(
                        "bits that are no bytes",
                        fields("\"F4\"", "[3]", "[0,2]"),
                        "takes 12 bits",
                        "whole number of bytes"));
    }

    private static Stream<Case> layouts() {
        String same = IntStream.range(0, 10)
                .mapToObj(i -> entry("w" + i, "I32", "[2,2]", 0, 16))
                .collect(Collectors.joining(",", "{", "}"));
        String many = IntStream.range(0, 20_000)
                .mapToObj(i -> entry("w" + i, "F32", "[200,200]", i, i + 160_000))
                .collect(Collectors.joining(",", "{", "}"));
        return Stream.of(
                refused("ten tensors in one place", bytes(same, new byte[16]), "tensor w1:", "no overlap is allowed"),
                refused("20,000 overlapping tensors", bytes(many, new byte[180_000]), "tensor w1:", "no overlap"),
                refused(
                        "a hole",
                        bytes(
                                "{" + entry("a", "U8", "[1]", 0, 1) + "," + entry("b", "U8", "[1]", 2, 3) + "}",
                                new byte[3]),
                        "tensor b:",
                        "begin at 2, but those before it end at 1",
                        "no hole"),
                refused(
                        "a hole in front",
                        bytes("{" + entry("w", "U8", "[1]", 1, 2) + "}", new byte[2]),
                        "tensor w:",
                        "no hole"),
                refused(
                        "two bytes missing",
                        bytes("{" + entry("w", "I32", "[4]", 0, 16) + "}", new byte[14]),
                        "tensor w:",
                        "only 14 follow",
                        "truncated"),
                refused(
                        "two bytes too many",
                        bytes("{" + entry("w", "I32", "[4]", 0, 16) + "}", new byte[18]),
                        "2 bytes follow the last tensor"),
                refused("data without a tensor", bytes("{}", new byte[3]), "3 bytes follow the last tensor"));
    }

    private static Stream<Case> otherFormats() {
        String pickle = "is a pickle file, which can run code when it is read; only safetensors are read";
        String lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        return Stream.of(
                refused(
                        "a zip, as torch.save writes it",
                        "PK\3\4\0\0\0\0\0\0archive/data.pkl".getBytes(ISO_8859_1),
                        pickle),
                refused(
                        "a pickle, as old torch.save wrote it",
                        "\u0080\2\u008a\nl\u00fc\u009cF\u00f9 ".getBytes(ISO_8859_1),
                        pickle),
                refused("a pickle of protocol 4", "\u0080\4\u0095\5\0\0\0\0\0\0\0}q.".getBytes(ISO_8859_1), pickle),
                refused("a Git LFS pointer", lfs.getBytes(UTF_8), "is a Git LFS pointer", "git lfs pull"),
                refused(
                        "an HTML page",
                        "\n<!DOCTYPE html><html>404".getBytes(UTF_8),
                        "is an HTML or XML page",
                        "error page"),
                refused("an XML error", "<?xml version=\"1.0\"?><Error/>".getBytes(UTF_8), "is an HTML or XML page"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("malformed")
    void isRefusedWithFileTensorAndRule(Case malformed) {
        Path file = HandMade.write(
                folder.resolve("weights.safetensors"), malformed.content().array());

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(file))
                .satisfies(e -> assertThat(e.file()).isEqualTo(file))
                .withMessageStartingWith(file + ": ")
                .withMessageContainingAll(malformed.words().toArray(String[]::new))
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(1_000));
    }

    @Test
    void aHeaderLengthOf100GigabytesIsRefusedAtOnceEvenIfTheFileIsThatLong() throws IOException {
        Path file = HandMade.write(folder.resolve("sparse.safetensors"), withLength(100_000_000_000L, new byte[0]));
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(200_000_000_000L);
        }

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(file))
                .withMessageContainingAll("sparse.safetensors", "claims a header of 100000000000 bytes");
    }

    @ParameterizedTest
    @ValueSource(strings = {"pytorch_model.bin", "model.pt", "model.PTH", "last.ckpt"})
    void aPickleNameIsRefusedWhateverTheContent(String name) {
        Path file = HandMade.write(folder.resolve(name), "w");

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(file))
                .withMessage(
                        file + ": is a pickle file, which can run code when it is read; only safetensors are read");
    }

    @Test
    void aFolderIsNoFile() {
        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(folder))
                .withMessageContainingAll(folder.toString(), "is a folder or a device");
    }

    @Test
    void aMissingFileIsMissingAndNotInvalid() {
        Path file = folder.resolve("absent.safetensors");

        assertThatExceptionOfType(MissingFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(file))
                .withMessage(file + ": does not exist")
                .withCauseInstanceOf(NoSuchFileException.class);
    }

    @Test
    void aNameThatWouldGarbleATerminalIsShownEscaped() {
        byte[] content = bytes("{\"a\\u001b[2J\\n\\u202e\":1}");
        Path file = HandMade.write(folder.resolve("w.safetensors"), content);

        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> SafetensorsHeader.read(file))
                .withMessageContaining("tensor a\\u001b[2J\\u000a\\u202e: ");
    }

    record Healthy(String claim, ByteBuffer content, List<String> names) {
        @Override
        public String toString() {
            return claim;
        }
    }

    static Stream<Healthy> healthy() {
        String w = entry("w", "U8", "[1]", 0, 1);
        String padded = ("{" + w + "}").concat(" ".repeat(640)).substring(0, 640);
        return Stream.of(
                healthy("no tensors", bytes("{}"), List.of()),
                healthy("blanks after the object", bytes("{" + w + "}   ", (byte) 1), List.of("w")),
                healthy("other white space after it", bytes("{" + w + "}\r\n\t", (byte) 1), List.of("w")),
                healthy("the first bytes of a pickle", bytes(padded, (byte) 1), List.of("w")),
                healthy("empty metadata", bytes("{\"__metadata__\":{}," + w + "}", (byte) 1), List.of("w")),
                healthy(
                        "a header in another order than the data",
                        bytes(
                                "{" + entry("b", "U8", "[1]", 1, 2) + "," + entry("a", "U8", "[1]", 0, 1) + "}",
                                new byte[2]),
                        List.of("a", "b")),
                healthy(
                        "tensors without elements where others begin and end",
                        bytes(
                                "{" + w + "," + entry("z", "F64", "[3,0]", 0, 0) + "," + entry("y", "F32", "[0]", 1, 1)
                                        + "}",
                                (byte) 1),
                        List.of("z", "w", "y")),
                healthy(
                        "an even number of F4",
                        bytes("{" + entry("f", "F4", "[2,3]", 0, 3) + "}", new byte[3]),
                        List.of("f")),
                healthy("an empty name", bytes("{" + entry("", "BOOL", "[]", 0, 1) + "}", (byte) 1), List.of("")),
                healthy("64 dimensions", bytes("{" + entry("o", "U8", ones(64), 0, 1) + "}", (byte) 1), List.of("o")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("healthy")
    void isReadInTheOrderOfTheBytes(Healthy healthy) throws IOException {
        Path file = HandMade.write(
                folder.resolve("weights.safetensors"), healthy.content().array());

        SafetensorsHeader header = SafetensorsHeader.read(file);

        assertThat(header.entries()).extracting(TensorEntry::name).isEqualTo(healthy.names());
        assertThat(header.fileBytes()).isEqualTo(Files.size(file));
    }

    private static Case refused(String rule, byte[] content, String... words) {
        return new Case(rule, ByteBuffer.wrap(content), List.of(words));
    }

    private static Healthy healthy(String claim, byte[] content, List<String> names) {
        return new Healthy(claim, ByteBuffer.wrap(content), names);
    }

    /** One tensor w with this description, and a byte of data. */
    private static Case tensor(String rule, String description, String... words) {
        return new Case(
                rule,
                ByteBuffer.wrap(bytes("{\"w\":" + description + "}", (byte) 1)),
                Stream.concat(Stream.of("tensor w: "), Stream.of(words)).toList());
    }

    private static String fields(String dtype, String shape, String offsets) {
        return "{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}".formatted(dtype, shape, offsets);
    }

    private static String ones(int count) {
        return IntStream.range(0, count).mapToObj(i -> "1").collect(Collectors.joining(",", "[", "]"));
    }
}
