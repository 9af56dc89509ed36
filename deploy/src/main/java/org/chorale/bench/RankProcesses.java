// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The processes of a program that measures or checks several ranks: its main class once more for each rank, with the
 * flags of this virtual machine, and with a folder in which they meet, a rank and a number of ranks before all other
 * arguments. What they print comes out here.
 */
final class RankProcesses implements AutoCloseable {
    private final Class<?> main;
    private final Path folder;
    private final int worldSize;
    private final RankDevices devices;
    private final List<String> arguments;
    private final List<Process> started = new ArrayList<>();

    RankProcesses(Class<?> main, int worldSize, RankDevices devices, List<String> arguments) throws IOException {
        this.main = main;
        this.folder = Files.createTempDirectory("chorale-ranks"); // no other user can read it
        this.worldSize = worldSize;
        this.devices = devices;
        this.arguments = List.copyOf(arguments);
    }

    /** Starts a rank, or another process in the place of one that has died. */
    Process start(int rank, String... more) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElse("java"));
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(folder.toString(), String.valueOf(rank), String.valueOf(worldSize)));
        command.addAll(arguments);
        command.addAll(List.of(more));
        ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
        Map<String, String> environment = builder.environment();
        environment.putIfAbsent("NCCL_NVLS_ENABLE", "0"); // multicast has failed on machines that have it
        environment.put("OMP_NUM_THREADS", String.valueOf(threads(environment.get("OMP_NUM_THREADS"))));
        environment.putIfAbsent("OMP_WAIT_POLICY", "PASSIVE");
        environment.putAll(devices.environment(rank));
        Process process = builder.start();
        started.add(process);
        return process;
    }

    /** This process's, shared among the ranks. */
    private int threads(@Nullable String own) {
        int all = own == null ? Runtime.getRuntime().availableProcessors() : Integer.parseInt(own);
        return Math.max(1, all / worldSize);
    }

    /** Waits for the end of all: the highest exit code, or 1 where one is killed for being late. */
    static int await(List<Process> processes, long minutes) throws InterruptedException {
        long deadlineNanos = System.nanoTime() + TimeUnit.MINUTES.toNanos(minutes);
        int code = 0;
        for (Process process : processes) {
            if (process.waitFor(Math.max(deadlineNanos - System.nanoTime(), 0), TimeUnit.NANOSECONDS)) {
                code = Math.max(code, process.exitValue());
            } else {
                System.err.printf("a rank has not ended within %d minutes%n", minutes);
                code = Math.max(code, 1);
            }
        }
        return code;
    }

    /** Kills what still runs, and deletes the folder. */
    @Override
    public void close() throws IOException {
        started.forEach(Process::destroyForcibly);
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
