// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.chorale.data.table.TableException;
import org.chorale.data.table.Tables;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ParquetTableTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "polars-uncompressed",
                "polars-snappy",
                "polars-gzip",
                "polars-zstd",
                "polars-lz4", // LZ4_RAW
                "v1-pages-lz4", // many small pages with dictionaries
                "v1-lz4-hadoop",
                "v2-plain-snappy", // pages of version 2
                "v2-delta-zstd" // DELTA_BYTE_ARRAY and DELTA_BINARY_PACKED, three row groups
            })
    void everyWriterOfTheSameRowsIsReadTheSame(String name) throws Exception {
        assertThat(converted(Tables.file(name + ".parquet"))).isEqualTo(Tables.rows());
    }

    @Test
    void typedValuesBecomeJson() throws Exception {
        assertThat(converted(Tables.file("types.parquet")))
                .containsExactly(
                        "{'u8':255,'u64':18446744073709551615,'i16':-3,'half':1.5,'f32':0.1,'day':'2024-02-29',"
                                        .replace('\'', '"')
                                + "'stamp':'2023-11-14T22:13:20.123Z','local':'2023-11-14T22:13:20.123500',"
                                        .replace('\'', '"')
                                + "'time':'01:02:03.004','bin':{'binary':2},'fixed':'abcd','list2':[1,2],"
                                        .replace('\'', '"')
                                + "'map':{'k':1,'l':null},'dict':'x','big':'large'}".replace('\'', '"'),
                        "{}",
                        "{'u8':0,'u64':0,'i16':7,'half':-0.25,'f32':'NaN','day':'1970-01-01',".replace('\'', '"')
                                + "'stamp':'1970-01-01T00:00:00Z','local':'1970-01-01T00:00','time':'00:00',"
                                        .replace('\'', '"')
                                + "'bin':'größe','fixed':'efgh','list2':[3,4],'map':{},'dict':'y','big':''}"
                                        .replace('\'', '"'));
        assertThat(converted(Tables.file("decimal.parquet")))
                .containsExactly("{\"amount\":123.45}", "{}", "{\"amount\":-0.01}");
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() {
        assertThatThrownBy(() -> converted(Tables.file("brotli.parquet")))
                .isInstanceOf(TableException.class)
                .hasMessage("has what is not supported: compression with BROTLI");
    }

    @Test
    void whatIsNoParquetFileIsToldFromOneThatWasCutOff() throws Exception {
        byte[] whole = Files.readAllBytes(Tables.file("polars-zstd.parquet"));
        assertRefused("{\"text\": \"no table\"}".getBytes(StandardCharsets.UTF_8), "is no Parquet file");
        assertRefused(new byte[0], "is no Parquet file");
        assertRefused(Arrays.copyOf(whole, whole.length / 2), "is no whole Parquet file");
        assertRefused(Arrays.copyOf(whole, whole.length - 1), "is no whole Parquet file");
        byte[] encrypted = whole.clone();
        encrypted[3] = 'E';
        assertRefused(encrypted, "is encrypted");
    }

    /** It may read well where the byte was in a text; what it must not do is to fail in any other way. */
    @ParameterizedTest
    @ValueSource(strings = {"polars-snappy", "v1-pages-lz4", "v2-delta-zstd"})
    void aDamagedFileIsReadOrRefusedWithAReason(String name) throws Exception {
        byte[] whole = Files.readAllBytes(Tables.file(name + ".parquet"));
        SplittableRandom random = new SplittableRandom(7);
        int refused = 0;
        for (int i = 0; i < 150; i++) {
            byte[] damaged = whole.clone();
            int at = random.nextInt(4, whole.length - 8);
            damaged[at] = (byte) random.nextInt();
            try {
                converted(Files.write(folder.resolve("damaged.parquet"), damaged));
            } catch (TableException e) {
                assertThat(e).as("byte %d", at).hasMessageMatching("(?s).*\\S.*");
                refused++;
            }
        }
        assertThat(refused).isBetween(15, 149);
    }

    private void assertRefused(byte[] bytes, String why) throws IOException {
        Path file = Files.write(folder.resolve("train.parquet"), bytes);
        assertThatThrownBy(() -> converted(file))
                .isInstanceOf(TableException.class)
                .hasMessageStartingWith(why);
    }

    private static List<String> converted(Path file) throws IOException, TableException {
        return Tables.lines(rows -> ParquetTable.convert(file, rows));
    }
}
