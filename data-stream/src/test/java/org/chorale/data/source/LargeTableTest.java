// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.chorale.data.table.LargeTables;
import org.chorale.data.tokenizer.TextTokenizer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LargeTableTest {
    private static final int ROWS = 56_000; // 56 MB
    private static final String HEAP = "-Xmx24m";

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"train.parquet", "train.arrow", "train.csv"})
    void aTableLargerThanTheHeapIsIndexedAndRead(String name) throws Exception {
        Path file = LargeTables.write(folder.resolve(name), ROWS);
        assertThat(Files.size(file)).isGreaterThan(2 * (24L << 20));
        assertThat(child(file)).isEqualTo("56000 55999x");
    }

    /** So that the test above would fail where a file is held in memory. */
    @Test
    void theHeapOfTheseTestsIsTooSmallForTheFile() throws Exception {
        Path file = Files.write(folder.resolve("whole"), new byte[ROWS * 1000]);
        assertThat(child(file)).contains("OutOfMemoryError");
    }

    private static String child(Path file) throws IOException, InterruptedException {
        Path out = file.resolveSibling("out.txt");
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        HEAP,
                        "-cp",
                        System.getProperty("java.class.path"),
                        Reader.class.getName(),
                        file.toString())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return Files.readString(out, StandardCharsets.UTF_8).strip().lines().reduce("", (first, last) -> last);
    }

    /** What the child does. */
    static final class Reader {
        public static void main(String[] arguments) throws IOException {
            Path file = Path.of(arguments[0]);
            if (file.endsWith("whole")) {
                try {
                    System.out.println(Files.readAllBytes(file).length);
                } catch (OutOfMemoryError e) {
                    System.out.println(e);
                }
                return;
            }
            SourceSettings settings = new SourceSettings("data.train.path", file, MalformedRows.FAIL, 64);
            try (ExampleSource source =
                    ExampleSource.open(settings, TextTokenizer.none(), file.resolveSibling("index/train.idx"))) {
                Example.Text last = (Example.Text) source.read(source.examples() - 1);
                System.out.println(source.examples() + " " + last.text().substring(0, 6));
            }
        }
    }
}
