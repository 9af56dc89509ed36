// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.chorale.tensor.OtherJvm;
import org.chorale.training.RankMatrix.Case;

/**
 * Ranks that are processes: each is a {@link MatrixRank}, which carries out one case after the other and ends with its
 * standard input. One that dies, or is late, fails the case with the ends of all logs.
 */
final class RankProcesses implements AutoCloseable {
    /** Of one case; it takes a second. */
    private static final long DEADLINE_SECONDS = 90;

    private static final int LAST_LINES = 12;

    private final Path directory;
    private final List<Process> processes = new ArrayList<>();
    private final List<DataInputStream> outcomes = new ArrayList<>();
    private final ExecutorService readers;
    private int runs;

    private RankProcesses(Path directory, int count) {
        this.directory = directory;
        this.readers = Executors.newFixedThreadPool(count);
    }

    static RankProcesses start(Path directory, int count) throws IOException {
        RankProcesses started = new RankProcesses(Files.createTempDirectory(directory, "ranks"), count);
        try {
            while (started.processes.size() < count) {
                started.startNext();
            }
            return started;
        } catch (IOException e) {
            started.close();
            throw e;
        }
    }

    private void startNext() throws IOException {
        int rank = processes.size();
        List<String> flags = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m");
        Process process = OtherJvm.of(MatrixRank.class, flags, "" + rank)
                .redirectError(log(rank).toFile())
                .start();
        processes.add(process);
        outcomes.add(new DataInputStream(new BufferedInputStream(process.getInputStream())));
    }

    private Path log(int rank) {
        return directory.resolve("rank-" + rank + ".log");
    }

    /** On as many of the processes as the case has ranks. */
    RankRun run(Case one) {
        List<CompletableFuture<RankOutcome>> found = new ArrayList<>();
        try {
            Path folder = Files.createDirectory(directory.resolve("run-" + ++runs));
            byte[] order = (RankMatrix.whole().indexOf(one) + " " + folder + "\n").getBytes(StandardCharsets.UTF_8);
            for (int rank = 0; rank < one.worldSize(); rank++) {
                processes.get(rank).getOutputStream().write(order);
                processes.get(rank).getOutputStream().flush();
                DataInputStream outcome = outcomes.get(rank);
                found.add(CompletableFuture.supplyAsync(() -> read(outcome), readers));
            }
            CompletableFuture.allOf(found.toArray(CompletableFuture[]::new)).get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (IOException | ExecutionException | TimeoutException | InterruptedException e) {
            throw new AssertionError(one + " failed" + lastWords(), e);
        }
        return RankRun.of(found.stream().map(CompletableFuture::join).toList());
    }

    private static RankOutcome read(DataInputStream outcome) {
        try {
            return RankOutcome.readFrom(outcome);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String lastWords() {
        StringBuilder words = new StringBuilder();
        for (int rank = 0; rank < processes.size(); rank++) {
            words.append("\nrank ").append(rank).append(processes.get(rank).isAlive() ? ", alive:" : ", dead:");
            try {
                List<String> lines = Files.readAllLines(log(rank));
                lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size())
                        .forEach(line -> words.append("\n  ").append(line));
            } catch (IOException e) {
                words.append(" its log cannot be read: ").append(e);
            }
        }
        return words.toString();
    }

    /** Kills them, and waits for their ends. */
    @Override
    public void close() {
        processes.forEach(Process::destroyForcibly);
        processes.forEach(process -> process.onExit().join());
        readers.shutdownNow();
    }
}
