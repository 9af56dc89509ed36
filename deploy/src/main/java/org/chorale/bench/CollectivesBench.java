// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.FileStore;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.collective.GlooCollectives;
import org.chorale.tensor.collective.Rendezvous;

/**
 * Chorale's collectives and c10d's, both over Gloo's TCP transport on the loopback address: 2 and 4 ranks, as threads of
 * one process and as processes. Times are medians at rank 0; the bandwidth is what a rank has to send at least, divided
 * by them. Prints Markdown.
 */
public final class CollectivesBench {
    private static final String RESULT = "result";
    private static final long[] VALUES = {1, 1 << 18, 1 << 24}; // of fp32: 4 B, 1 MiB, 64 MiB
    private static final int[] REPETITIONS = {500, 40, 5};
    private static final Duration TIMEOUT = Duration.ofMinutes(5);

    /** One operation on {@code whole}, of which {@code part} is a rank's share. */
    private interface Operation {
        void run(Tensor whole, Tensor part);
    }

    /** The three operations under their names. */
    private interface Library extends AutoCloseable {
        Operation operation(String name);

        @Override
        void close();
    }

    private static final List<String> OPERATIONS = List.of("allGather", "reduceScatter", "allReduce");

    private CollectivesBench() {}

    /** Without arguments measures everything; with a library, a folder, a rank and a number of ranks is that rank. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 4) {
            runRank(arguments[0], Path.of(arguments[1]), Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]))
                    .forEach(line -> System.out.println(RESULT + line));
            return;
        }
        System.out.println("| ranks | library | operation | 4 B, µs | 1 MiB, µs | GB/s | 64 MiB, ms | GB/s |");
        System.out.println("| --- | --- | --- | --- | --- | --- | --- | --- |");
        for (int worldSize : new int[] {2, 4}) {
            for (String library : List.of("Chorale", "c10d")) {
                print(worldSize + " threads", library, inThreads(library, worldSize));
                print(worldSize + " processes", library, inProcesses(library, worldSize));
            }
        }
    }

    private static void print(String ranks, String library, List<String> rows) {
        rows.forEach(row -> System.out.println("| " + ranks + " | " + library + " | " + row));
    }

    private static List<String> inThreads(String library, int worldSize) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(worldSize);
        try {
            Path folder = Files.createTempDirectory("collectives");
            List<Callable<List<String>>> ranks = new ArrayList<>();
            IntStream.range(0, worldSize).forEach(rank -> ranks.add(() -> runRank(library, folder, rank, worldSize)));
            return first(threads.invokeAll(ranks));
        } finally {
            threads.shutdown();
        }
    }

    private static List<String> first(List<Future<List<String>>> ranks)
            throws InterruptedException, ExecutionException {
        for (Future<List<String>> rank : ranks) {
            rank.get();
        }
        return ranks.get(0).get();
    }

    private static List<String> inProcesses(String library, int worldSize) throws IOException {
        Path folder = Files.createTempDirectory("collectives");
        List<Process> ranks = new ArrayList<>();
        for (int rank = 0; rank < worldSize; rank++) {
            List<String> command = new ArrayList<>(
                    List.of(ProcessHandle.current().info().command().orElse("java"), "-Xmx512m", "-XX:+UseSerialGC"));
            command.addAll(List.of("-Dorg.bytedeco.javacpp.nopointergc=true", "-Dorg.bytedeco.javacpp.maxBytes=0"));
            command.addAll(List.of("-Dorg.bytedeco.javacpp.maxPhysicalBytes=0"));
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), CollectivesBench.class.getName()));
            command.addAll(List.of(library, folder.toString(), String.valueOf(rank), String.valueOf(worldSize)));
            ranks.add(new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start());
        }
        List<String> rows = new ArrayList<>();
        for (Process rank : ranks) {
            String output = new String(rank.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            output.lines()
                    .filter(line -> line.startsWith(RESULT))
                    .forEach(line -> rows.add(line.substring(RESULT.length())));
        }
        return rows;
    }

    /** The rows that rank 0 has measured; none for the others. */
    private static List<String> runRank(String library, Path folder, int rank, int worldSize) {
        List<String> rows = new ArrayList<>();
        try (Library group =
                library.equals("c10d") ? c10d(folder, rank, worldSize) : chorale(folder, rank, worldSize)) {
            for (String name : OPERATIONS) {
                StringBuilder row = new StringBuilder(name + " |");
                for (int size = 0; size < VALUES.length; size++) {
                    boolean reduce = name.equals("allReduce");
                    long perRank = reduce ? VALUES[size] : Math.max(VALUES[size] / worldSize, 1);
                    long nanos = median(group.operation(name), perRank, worldSize, REPETITIONS[size]);
                    double sent = 4.0 * perRank * (reduce ? 2.0 / worldSize : 1) * (worldSize - 1);
                    row.append(cell(size, nanos, sent));
                }
                rows.add(row.toString());
            }
        }
        return rank == 0 ? rows : List.of();
    }

    private static String cell(int size, long nanos, double sentBytes) {
        String gigabytes = String.format(Locale.ROOT, " %.2f |", sentBytes / nanos);
        return size == 0
                ? String.format(Locale.ROOT, " %.0f |", nanos / 1e3)
                : String.format(Locale.ROOT, " %.0f |", size == 1 ? nanos / 1e3 : nanos / 1e6) + gigabytes;
    }

    private static long median(Operation operation, long perRank, int worldSize, int repetitions) {
        try (TensorScope scope = new TensorScope()) {
            Tensor whole = HostTensors.zeros(ScalarType.Float, perRank * worldSize);
            Tensor part = HostTensors.zeros(ScalarType.Float, perRank);
            long[] nanos = new long[repetitions];
            for (int i = -repetitions / 4 - 1; i < repetitions; i++) {
                long start = System.nanoTime();
                operation.run(whole, part);
                nanos[Math.max(i, 0)] = System.nanoTime() - start;
            }
            Arrays.sort(nanos);
            return nanos[repetitions / 2];
        }
    }

    private static Library chorale(Path folder, int rank, int worldSize) {
        Collectives group =
                GlooCollectives.join(new Rendezvous(folder, "127.0.0.1", TIMEOUT), rank, worldSize, () -> false);
        return new Library() {
            @Override
            public Operation operation(String name) {
                return switch (name) {
                    case "allGather" ->
                        (whole, part) -> group.allGather(whole, part).await();
                    case "reduceScatter" ->
                        (whole, part) -> group.reduceScatter(part, whole).await();
                    default ->
                        (whole, part) -> group.allReduce(part, Reduction.SUM).await();
                };
            }

            @Override
            public void close() {
                group.close();
            }
        };
    }

    private static Library c10d(Path folder, int rank, int worldSize) {
        ProcessGroupGloo.Options options = ProcessGroupGloo.Options.create(new Milliseconds(TIMEOUT.toMillis()));
        options.devices().push_back(ProcessGroupGloo.createDeviceForHostname("127.0.0.1"));
        FileStore store = new FileStore(folder.resolve("store").toString(), worldSize);
        ProcessGroupGloo group = new ProcessGroupGloo(store.clone(), rank, worldSize, options);
        return new Library() {
            @Override
            public Operation operation(String name) {
                return (whole, part) -> {
                    try (TensorScope scope = new TensorScope()) {
                        switch (name) {
                            case "allGather" ->
                                group._allgather_base(whole, part)._wait();
                            case "reduceScatter" ->
                                group._reduce_scatter_base(part, whole)._wait();
                            default -> group.allreduce(new TensorVector(part))._wait();
                        }
                    }
                };
            }

            @Override
            public void close() {
                group.close();
            }
        };
    }
}
