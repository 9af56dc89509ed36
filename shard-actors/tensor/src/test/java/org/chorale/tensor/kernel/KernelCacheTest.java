// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelCacheTest {
    private static final byte[] CODE = {7, 0, -1, 42};

    @TempDir
    private Path folder;

    @Test
    void whatIsWrittenIsReadAgainAndNothingElseIsLeft() throws IOException {
        KernelCache cache = new KernelCache(folder.resolve("deep/down"));
        assertThat(cache.read("key")).isEmpty();
        cache.write("key", CODE);
        assertThat(cache.read("key")).contains(CODE);
        assertThat(cache.read("other")).isEmpty();
        try (Stream<Path> files = Files.list(folder.resolve("deep/down"))) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactly("key.cubin");
        }
    }

    @Test
    void everyFlippedByteAndEveryCutMakesAFileMissing() throws IOException {
        KernelCache cache = new KernelCache(folder);
        cache.write("key", CODE);
        Path file = folder.resolve("key.cubin");
        byte[] whole = Files.readAllBytes(file);
        for (int i = 0; i < whole.length; i++) {
            byte[] flipped = whole.clone();
            flipped[i] ^= 1;
            Files.write(file, flipped);
            assertThat(cache.read("key")).as("byte %d flipped", i).isEmpty();
            Files.write(file, java.util.Arrays.copyOf(whole, i));
            assertThat(cache.read("key")).as("cut to %d bytes", i).isEmpty();
        }
        cache.write("key", CODE);
        assertThat(cache.read("key")).contains(CODE);
    }

    @Test
    void aFileThatNoKernelFillsIsNotRead() throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(folder.resolve("key.cubin").toFile(), "rw")) {
            file.setLength(1L << 40); // sparse: read as a whole, it would end the process
        }
        assertThat(new KernelCache(folder).read("key")).isEmpty();
    }

    @Test
    void aFolderThatCannotBeWrittenIsNoFailure() throws IOException {
        Path occupied = Files.writeString(folder.resolve("occupied"), "a file");
        KernelCache cache = new KernelCache(occupied.resolve("kernels"));
        assertThatCode(() -> cache.write("key", CODE)).doesNotThrowAnyException();
        assertThat(cache.read("key")).isEmpty();
    }

    @Test
    void theFolderIsThePropertysThenTheUsersCachesThenTheHomes() {
        Properties properties = new Properties();
        properties.setProperty("user.home", folder.resolve("home").toString());
        Map<String, String> environment =
                Map.of("XDG_CACHE_HOME", folder.resolve("xdg").toString());
        KernelCache.of(properties, Map.of()).write("key", CODE);
        assertThat(folder.resolve("home/.cache/chorale/kernels/key.cubin")).exists();
        KernelCache.of(properties, environment).write("key", CODE);
        assertThat(folder.resolve("xdg/chorale/kernels/key.cubin")).exists();
        properties.setProperty("chorale.kernel-cache", folder.resolve("named").toString());
        KernelCache.of(properties, environment).write("key", CODE);
        assertThat(folder.resolve("named/key.cubin")).exists();
    }

    @Test
    void withoutAnyPlaceNothingIsCached() {
        KernelCache cache = KernelCache.of(new Properties(), Map.of());
        assertThatCode(() -> cache.write("key", CODE)).doesNotThrowAnyException();
        assertThat(cache.read("key")).isEmpty();
    }
}
