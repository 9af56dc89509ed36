// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/** What the system says of processes. */
public final class Processes {
    private static final Duration POLL = Duration.ofMillis(20);

    private Processes() {}

    public static void signal(long pid, String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("sh", "-c", "kill -%s %d".formatted(name, pid)).start();
        assertThat(kill.waitFor()).as("kill -%s %d", name, pid).isZero();
    }

    /** A dead process that nobody has asked for yet, as orphans where there is no init, does not count. */
    public static boolean isRunning(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
            char state = stat.charAt(stat.lastIndexOf(')') + 2);
            return state != 'Z' && state != 'X';
        } catch (NoSuchFileException e) {
            return false;
        } catch (IOException e) { // it ended while its file was read
            return false;
        }
    }

    /** Those that run with such a variable, as {@code NAME=value}, which a process has from the one that starts it. */
    static Set<Long> withEnvironment(String variable) {
        return ProcessHandle.allProcesses()
                .map(ProcessHandle::pid)
                .filter(pid -> environment(pid).contains(variable) && isRunning(pid))
                .collect(Collectors.toSet());
    }

    private static List<String> environment(long pid) {
        try {
            Path file = Path.of("/proc", Long.toString(pid), "environ");
            return List.of(Files.readString(file, StandardCharsets.ISO_8859_1).split("\0"));
        } catch (IOException e) { // it has ended, or is another user's
            return List.of();
        }
    }

    public static void await(String what, Duration limit, BooleanSupplier condition) {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(deadline);
            LockSupport.parkNanos(POLL.toNanos());
        }
    }
}
