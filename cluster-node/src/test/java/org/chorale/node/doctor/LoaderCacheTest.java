// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class LoaderCacheTest {
    @TempDir
    Path folder;

    @Test
    void thisMachinesHasItsCLibrary() {
        assertThat(LoaderCache.read(Path.of("/etc/ld.so.cache")).get("libc.so.6"))
                .endsWith("/libc.so.6")
                .satisfies(path -> assertThat(Path.of(path)).exists());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 64})
    void theFirstPathOfALibraryCountsWithAnOlderFormatBeforeItOrNot(int before) throws IOException {
        byte[] cache = cache("liba.so.1", "/new/liba.so.1", "liba.so.1", "/old/liba.so.1", "libb.so.2", "/b");
        Path file = write(ByteBuffer.allocate(before + cache.length)
                .position(before)
                .put(cache)
                .array());

        assertThat(LoaderCache.read(file))
                .containsOnlyKeys("liba.so.1", "libb.so.2")
                .containsEntry("liba.so.1", "/new/liba.so.1")
                .containsEntry("libb.so.2", "/b");
    }

    @Test
    void aCacheThatIsMissingCutOffOrSomethingElseIsReadAsFarAsItGoes() throws IOException {
        byte[] cache = cache("liba.so.1", "/liba.so.1", "libb.so.2", "/b");
        for (int length = 0; length < cache.length; length++) {
            assertThat(LoaderCache.read(write(Arrays.copyOf(cache, length)))).hasSizeLessThanOrEqualTo(2);
        }
        Arrays.fill(cache, 20, cache.length, (byte) -1);
        assertThat(LoaderCache.read(write(cache))).hasSizeLessThanOrEqualTo(2);
        assertThat(LoaderCache.read(write("no cache".repeat(100).getBytes(StandardCharsets.UTF_8))))
                .isEmpty();
        assertThat(LoaderCache.read(folder.resolve("nowhere"))).isEmpty();
    }

    private Path write(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("cache"), bytes);
    }

    /** @param strings names and paths in turn */
    private static byte[] cache(String... strings) {
        int entries = strings.length / 2;
        int at = 48 + 24 * entries;
        ByteBuffer cache = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);
        cache.put("glibc-ld.so.cache1.1".getBytes(StandardCharsets.US_ASCII)).putInt(entries);
        for (int i = 0; i < strings.length; i++) {
            cache.putInt(48 + 24 * (i / 2) + 4 + 4 * (i % 2), at);
            byte[] bytes = strings[i].getBytes(StandardCharsets.UTF_8);
            cache.put(at, bytes);
            at += bytes.length + 1;
        }
        return Arrays.copyOf(cache.array(), at);
    }
}
