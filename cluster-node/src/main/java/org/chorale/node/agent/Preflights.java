// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.node.system.Release;
import org.chorale.proto.message.RunsCommand.Preflight;

/** What a node says of itself before it is used. */
public final class Preflights {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final String AVAILABLE = "MemAvailable:";
    private static final long BYTES_PER_KB = 1024;

    /** Takes a second or so, once: the class path does not change while a process lives. */
    private static final class ClassPath {
        private static final String DIGEST = ClassPathDigest.of(System.getProperty("java.class.path"));
    }

    private Preflights() {}

    /** What this process is, and has just now. */
    public static Preflight ofThisProcess() {
        return new Preflight(
                Release.version(),
                Runtime.version().toString(),
                ClassPath.DIGEST,
                freeMemoryBytes(),
                System.currentTimeMillis());
    }

    private static long freeMemoryBytes() {
        try {
            List<String> lines = Files.readAllLines(MEMORY);
            return lines.stream()
                            .filter(line -> line.startsWith(AVAILABLE))
                            .map(line -> line.substring(AVAILABLE.length())
                                    .replace("kB", "")
                                    .strip())
                            .mapToLong(Long::parseLong)
                            .findFirst()
                            .orElseThrow(() -> new IllegalStateException(MEMORY + " has no " + AVAILABLE))
                    * BYTES_PER_KB;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
