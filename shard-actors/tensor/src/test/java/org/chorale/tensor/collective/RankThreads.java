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
import org.jspecify.annotations.Nullable;

/** Runs the same code on several ranks, each a thread of this process, over Gloo on the loopback address. */
public final class RankThreads {
    private static final Duration DEADLINE = Duration.ofSeconds(60);
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    /** What one rank does; {@code collectives} is the group of all, closed afterwards. */
    @FunctionalInterface
    public interface RankBody {
        void run(Collectives collectives) throws Exception;
    }

    private record End(int rank, @Nullable Throwable failure) {}

    private RankThreads() {}

    /**
     * Runs the body once for each rank.
     *
     * @throws AssertionError where a rank fails: the first failure is its cause, those of the other ranks are suppressed
     *     in it; or where a rank has not ended after a minute
     */
    public static void run(int worldSize, RankBody body) {
        try {
            Path folder = Files.createTempDirectory("rank threads");
            try {
                run(worldSize, new Rendezvous(folder, "127.0.0.1", TIMEOUT), body);
            } finally {
                delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void run(int worldSize, Rendezvous rendezvous, RankBody body) {
        BlockingQueue<End> ends = new LinkedBlockingQueue<>();
        for (int rank = 0; rank < worldSize; rank++) {
            int own = rank;
            Thread thread = new Thread(() -> ends.add(runRank(rendezvous, own, worldSize, body)), "rank-" + rank);
            thread.setDaemon(true); // one that hangs does not keep the tests' JVM
            thread.start();
        }
        List<End> failures = new ArrayList<>();
        for (int rank = 0; rank < worldSize; rank++) {
            End end = next(ends, worldSize - rank);
            if (end.failure != null) {
                failures.add(end);
            }
        }
        if (!failures.isEmpty()) {
            throw failed(failures);
        }
    }

    private static End runRank(Rendezvous rendezvous, int rank, int worldSize, RankBody body) {
        try (Collectives collectives = GlooCollectives.join(rendezvous, rank, worldSize, () -> false)) {
            try {
                body.run(collectives);
            } catch (Throwable e) {
                collectives.abort(); // so that the others end soon
                throw e;
            }
            return new End(rank, null);
        } catch (Throwable e) {
            return new End(rank, e);
        }
    }

    private static End next(BlockingQueue<End> ends, int missing) {
        try {
            End end = ends.poll(DEADLINE.toSeconds(), TimeUnit.SECONDS);
            if (end == null) {
                throw new AssertionError(missing + " ranks have not ended " + DEADLINE + " after the last");
            }
            return end;
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while " + missing + " ranks run", e);
        }
    }

    private static AssertionError failed(List<End> failures) {
        AssertionError error =
                new AssertionError("rank " + failures.get(0).rank + " failed first", failures.get(0).failure);
        failures.stream().skip(1).forEach(end -> error.addSuppressed(end.failure));
        return error;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
