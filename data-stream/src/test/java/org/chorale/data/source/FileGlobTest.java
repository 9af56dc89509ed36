// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FileGlobTest {
    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '"',
            value = {
                "*.jsonl, a.jsonl, true",
                "*.jsonl, a/b.jsonl, false",
                "**/*.jsonl, a.jsonl, true",
                "**/*.jsonl, a/b/c.jsonl, true",
                "data/**, data/a/b, true",
                "data/train-*, data/train-0.parquet, true",
                "\"{a,b}.csv\", b.csv, true",
                "\"{a,b}.csv\", c.csv, false",
                "?.csv, ab.csv, false",
                "[a-c].csv, b.csv, true",
                "[!a-c].csv, b.csv, false",
                "[!a-c].csv, d.csv, true",
                "a.b, axb, false",
                "a(b)+.csv, a(b)+.csv, true",
            })
    void namesMatchAsInAShell(String glob, String name, boolean matches) {
        assertThat(FileGlob.of(glob).matches(name)).isEqualTo(matches);
    }
}
