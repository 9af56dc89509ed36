// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Runs the same code on several ranks, each a thread of this process, over Gloo on the loopback address. */
public final class RankThreads {
    private static final Duration DEADLINE = Duration.ofSeconds(60);
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    /** What one rank does with the group of all, which is closed afterwards. */
    @FunctionalInterface
    public interface RankBody {
        void run(Collectives group) throws Exception;
    }

    /** What one thread does. */
    @FunctionalInterface
    interface Task {
        void run(int rank) throws Exception;
    }

    /** @param nanos when the body failed, which is before the group was closed */
    private record Failure(int rank, Throwable cause, long nanos) {}

    private static final class BodyFailed extends Exception {
        private final transient Throwable body;
        private final long nanos;

        BodyFailed(Throwable body, long nanos) {
            super(body);
            this.body = body;
            this.nanos = nanos;
        }
    }

    private RankThreads() {}

    /**
     * Runs the body once for each rank. The group of one that fails is aborted, so that the others end soon.
     *
     * @throws AssertionError where a rank fails: the first failure is its cause, those of the other ranks are suppressed
     *     in it; or where ranks have not ended after a minute
     */
    public static void run(int worldSize, RankBody body) {
        run(worldSize, TIMEOUT, body);
    }

    /** @param timeout of the group's operations */
    public static void run(int worldSize, Duration timeout, RankBody body) {
        Path folder = newFolder();
        try {
            Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", timeout);
            runEach(worldSize, rank -> {
                try (Collectives group = GlooCollectives.join(rendezvous, rank, worldSize, () -> false)) {
                    runOrAbort(group, body);
                }
            });
        } finally {
            delete(folder);
        }
    }

    private static void runOrAbort(Collectives group, RankBody body) throws Exception {
        try {
            body.run(group);
        } catch (Throwable e) {
            long nanos = System.nanoTime();
            group.abort();
            throw new BodyFailed(e, nanos);
        }
    }

    /** Likewise, where each rank joins by itself. */
    static void runEach(int ranks, Task task) {
        BlockingQueue<List<Failure>> ends = new LinkedBlockingQueue<>();
        for (int rank = 0; rank < ranks; rank++) {
            int own = rank;
            Thread thread = new Thread(() -> ends.add(failures(own, task)), "rank-" + rank);
            thread.setDaemon(true); // one that hangs does not keep the tests' JVM
            thread.start();
        }
        List<Failure> failures = new ArrayList<>();
        for (int ended = 0; ended < ranks; ended++) {
            failures.addAll(next(ends, ranks - ended));
        }
        if (!failures.isEmpty()) {
            throw failed(failures);
        }
    }

    private static List<Failure> failures(int rank, Task task) {
        try {
            task.run(rank);
            return List.of();
        } catch (Throwable e) {
            return List.of(
                    e instanceof BodyFailed failed
                            ? new Failure(rank, failed.body, failed.nanos)
                            : new Failure(rank, e, System.nanoTime()));
        }
    }

    private static List<Failure> next(BlockingQueue<List<Failure>> ends, int missing) {
        try {
            List<Failure> end = ends.poll(DEADLINE.toSeconds(), TimeUnit.SECONDS);
            if (end == null) {
                throw new AssertionError(
                        missing + " ranks have not ended " + Ranks.seconds(DEADLINE) + " after the last");
            }
            return end;
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while " + missing + " ranks run", e);
        }
    }

    private static AssertionError failed(List<Failure> failures) {
        failures.sort(Comparator.comparingLong(Failure::nanos));
        Failure first = failures.get(0);
        AssertionError error = new AssertionError("rank " + first.rank + " failed first", first.cause);
        failures.stream().skip(1).forEach(failure -> error.addSuppressed(failure.cause));
        return error;
    }

    private static Path newFolder() {
        try {
            return Files.createTempDirectory("rank threads");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Deletes a folder with all that is in it. */
    static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
