// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Headers that were damaged at random, from a seed. */
final class HeaderFuzzTest {
    private static final int FILES = 4_000;
    private static final long MOST_BYTES_ALLOCATED = 1 << 20; // for headers of 400 bytes
    private static final String[] TOKENS = {
        "{", "}", "[", "]", "\"", ",", ":", "-1", "1e9", "99999999999999999999", "null", "\\ud800", "dtype", "F4", "w.0"
    };

    @TempDir
    Path folder;

    @Test
    @Timeout(60)
    void aDamagedHeaderIsEitherValidOrRefusedAndNeverExpensive() throws IOException {
        Random random = new Random(20261122);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        Path file = folder.resolve("fuzzed.safetensors");
        int refused = 0;
        for (int i = 0; i < FILES; i++) {
            Files.write(file, damaged(random));
            long before = threads.getCurrentThreadAllocatedBytes();
            try {
                SafetensorsHeader header = SafetensorsHeader.read(file);
                long bytes =
                        header.entries().stream().mapToLong(TensorEntry::bytes).sum();
                assertThat(header.dataBegin() + bytes).isEqualTo(Files.size(file));
            } catch (InvalidFileException e) {
                refused++;
            }
            assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_BYTES_ALLOCATED);
        }

        assertThat(refused).as("some damage is harmless, most is not").isBetween(FILES / 2, FILES - FILES / 100);
    }

    private static byte[] damaged(Random random) {
        StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        for (int i = 0; i < 5; i++) {
            header.append(",").append(HandMade.entry("w." + i, "I16", "[2,2]", i * 8L, i * 8L + 8));
        }
        header.append("}  ");
        for (int cut = random.nextInt(2); cut > 0; cut--) {
            int begin = random.nextInt(header.length());
            String token = TOKENS[random.nextInt(TOKENS.length)];
            header.replace(begin, Math.min(header.length(), begin + random.nextInt(4)), token);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        long length = random.nextInt(10) == 0 ? random.nextLong() >>> random.nextInt(64) : json.length;
        byte[] content = HandMade.withLength(length, json, new byte[40]);
        for (int flip = random.nextInt(3); flip > 0; flip--) {
            content[random.nextInt(content.length)] = (byte) random.nextInt(256);
        }
        return random.nextInt(10) == 0 ? Arrays.copyOf(content, random.nextInt(content.length + 8)) : content;
    }
}
