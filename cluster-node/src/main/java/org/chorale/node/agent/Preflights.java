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

    /** Takes a second or so, once: what a process has loaded stays, whatever becomes of its jars. */
    private static final class Digests {
        private static final ClassPath ENTRIES = ClassPath.ofThisProcess();
        private static final String OWN = ClassPathDigest.of(ENTRIES.own());
        private static final String USERS = ClassPathDigest.of(ENTRIES.users());
    }

    private Preflights() {}

    /** What this process is, and has just now. */
    public static Preflight ofThisProcess() {
        return new Preflight(
                Release.version(),
                Runtime.version().toString(),
                Digests.OWN,
                freeMemoryBytes(),
                System.currentTimeMillis());
    }

    /** Of what users have added to the class path. */
    static String usersClasses() {
        return Digests.USERS;
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
