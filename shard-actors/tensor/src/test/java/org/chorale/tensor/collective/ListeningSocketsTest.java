// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A group listens on the addresses of its ranks, and on no other; read from the system. */
final class ListeningSocketsTest {
    @TempDir
    private Path folder;

    @Test
    void aRankListensOnItsOwnAddressAndNoLongerThanItsGroup() throws Exception {
        Set<String> before = listening();
        CyclicBarrier looking = new CyclicBarrier(3);
        RankThreads.runEach(3, rank -> {
            Rendezvous rendezvous = new Rendezvous(folder, "127.0.0." + (rank + 1), Duration.ofSeconds(30));
            try (Collectives group = GlooCollectives.join(rendezvous, rank, 3, () -> false)) {
                group.barrier().await();
                Set<String> during = listening();
                during.removeAll(before);
                assertThat(during)
                        .hasSize(3)
                        .allMatch(address -> address.matches("0[123]00007F:[0-9A-F]{4}"), "is 127.0.0.1 to 3");
                looking.await(30, TimeUnit.SECONDS);
            }
        });
        assertThat(listening()).isEqualTo(before);
    }

    /** Local addresses of this process's listening sockets as the kernel writes them: hexadecimal, bytes reversed. */
    private static Set<String> listening() throws IOException {
        Set<String> inodes = inodesOfSockets();
        Set<String> addresses = new HashSet<>();
        for (String table : new String[] {"/proc/net/tcp", "/proc/net/tcp6"}) {
            Files.readAllLines(Path.of(table), StandardCharsets.US_ASCII).stream()
                    .map(line -> line.strip().split("\\s+", -1))
                    .filter(fields -> fields[3].equals("0A") && inodes.contains(fields[9]))
                    .forEach(fields -> addresses.add(fields[1].toUpperCase(Locale.ROOT)));
        }
        return addresses;
    }

    private static Set<String> inodesOfSockets() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors
                    .map(ListeningSocketsTest::target)
                    .filter(target -> target.startsWith("socket:["))
                    .map(target -> target.replaceAll("\\D", ""))
                    .collect(Collectors.toSet());
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (NoSuchFileException e) {
            return ""; // closed meanwhile
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
