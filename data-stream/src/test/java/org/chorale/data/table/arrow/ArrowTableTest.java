// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.chorale.data.table.TableException;
import org.chorale.data.table.Tables;
import org.chorale.data.table.parquet.ParquetTable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArrowTableTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"polars-uncompressed", "polars-lz4", "polars-zstd", "polars-stream"})
    void filesAndStreamsOfTheSameRowsAreReadTheSame(String name) throws Exception {
        assertThat(converted(Tables.file(name + ".arrow"))).isEqualTo(Tables.rows());
    }

    @ParameterizedTest
    @ValueSource(strings = {"types", "types-stream"})
    void typedValuesBecomeJson(String name) throws Exception {
        List<String> expected = Tables.lines(rows -> ParquetTable.convert(Tables.file("types.parquet"), rows));
        assertThat(converted(Tables.file(name + ".arrow"))).isEqualTo(expected).hasSize(3);
        assertThat(converted(Tables.file("decimal.arrow")))
                .containsExactly("{\"amount\":123.45}", "{}", "{\"amount\":-0.01}");
    }

    /** Blocks of 64 KiB, each of which repeats parts of the one before. */
    @Test
    void linkedBlocksOfLz4AreExpanded() throws Exception {
        assertThat(converted(Tables.file("linked.arrow")))
                .isEqualTo(IntStream.range(0, 3000)
                        .mapToObj(i -> "{\"text\":\"the same words again and again, row " + i + " "
                                + "abcdefghij".repeat(10) + "\"}")
                        .toList());
    }

    @Test
    void whatIsNoArrowFileIsToldFromOneThatWasCutOff() throws Exception {
        byte[] file = Files.readAllBytes(Tables.file("polars-zstd.arrow"));
        byte[] stream = Files.readAllBytes(Tables.file("polars-stream.arrow"));
        assertRefused("{\"text\": \"no table\"}".getBytes(StandardCharsets.UTF_8), "is not in Arrow's IPC format");
        assertRefused(new byte[3], "is no Arrow file (it has only 3 bytes)");
        assertRefused("FEA1 and so on".getBytes(StandardCharsets.US_ASCII), "is a Feather file of version 1");
        assertRefused(Arrays.copyOf(file, file.length / 2), "is no whole Arrow file");
        assertRefused(Arrays.copyOf(file, file.length - 1), "is no whole Arrow file");
        assertRefused(Arrays.copyOf(stream, stream.length / 2), "is no whole Arrow file or stream");
    }

    /** It may read well where the byte was in a text; what it must not do is to fail in any other way. */
    @ParameterizedTest
    @ValueSource(strings = {"polars-uncompressed", "polars-lz4", "types", "polars-stream"})
    void aDamagedFileIsReadOrRefusedWithAReason(String name) throws Exception {
        byte[] whole = Files.readAllBytes(Tables.file(name + ".arrow"));
        SplittableRandom random = new SplittableRandom(7);
        int refused = 0;
        for (int i = 0; i < 150; i++) {
            byte[] damaged = whole.clone();
            int at = random.nextInt(8, whole.length - 6);
            damaged[at] = (byte) random.nextInt();
            try {
                converted(Files.write(folder.resolve("damaged.arrow"), damaged));
            } catch (TableException e) {
                assertThat(e).as("byte %d", at).hasMessageMatching("(?s).*\\S.*");
                refused++;
            }
        }
        assertThat(refused).isBetween(3, 149);
    }

    private void assertRefused(byte[] bytes, String why) throws IOException {
        Path file = Files.write(folder.resolve("train.arrow"), bytes);
        assertThatThrownBy(() -> converted(file))
                .isInstanceOf(TableException.class)
                .hasMessageStartingWith(why);
    }

    private static List<String> converted(Path file) throws IOException, TableException {
        return Tables.lines(rows -> ArrowTable.convert(file, rows));
    }
}
