// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * How the ranks of a group tell each other where they listen: a file per rank in a folder that all of them see. A file
 * has a line per peer, its address in hexadecimal digits, and {@value #END} last; one that is not whole yet does not
 * count.
 */
final class AddressFolder {
    private static final String END = "end";
    private static final long FIRST_PAUSE_NANOS = 1_000_000;
    private static final long LONGEST_PAUSE_NANOS = 50_000_000;

    /** An address takes 136 bytes; a file that is longer than this is not one of ours. */
    private static final long MAX_BYTES_PER_RANK = 512;

    private final Path folder;
    private final String group;
    private final int rank;
    private final int worldSize;

    AddressFolder(Path folder, String group, int rank, int worldSize) {
        this.folder = folder;
        this.group = group;
        this.rank = rank;
        this.worldSize = worldSize;
    }

    /**
     * Publishes where each peer reaches this rank.
     *
     * @param addresses by peer; this rank's own is empty
     */
    void publish(List<byte[]> addresses) {
        HexFormat hex = HexFormat.of();
        StringBuilder lines = new StringBuilder();
        addresses.forEach(address -> lines.append(hex.formatHex(address)).append('\n'));
        try {
            Files.writeString(file(rank), lines.append(END).append('\n'), StandardOpenOption.CREATE_NEW);
        } catch (FileAlreadyExistsException e) {
            throw new IllegalStateException(
                    file(rank) + ": rank " + rank + " has joined already; a generation needs a folder of its own", e);
        } catch (IOException e) {
            throw new CollectiveException("rank " + rank + " could not write " + file(rank), e);
        }
    }

    /**
     * Where this rank reaches each peer, as soon as all of them have come; its own is empty.
     *
     * @throws CollectiveException after the timeout, naming who is missing; where the folder is gone; or once cancelled
     */
    List<byte[]> await(Duration timeout, BooleanSupplier cancelled) {
        long start = System.nanoTime();
        Map<Integer, byte[]> found = new TreeMap<>();
        found.put(rank, new byte[0]);
        for (long pause = FIRST_PAUSE_NANOS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_NANOS)) {
            missing(found).forEach(peer -> {
                byte[] address = read(peer);
                if (address != null) {
                    found.put(peer, address);
                }
            });
            if (found.size() == worldSize) {
                return List.copyOf(found.values());
            }
            checkWorthWaiting(found, System.nanoTime() - start > timeout.toNanos(), timeout, cancelled);
            LockSupport.parkNanos(pause);
        }
    }

    private void checkWorthWaiting(
            Map<Integer, byte[]> found, boolean late, Duration timeout, BooleanSupplier cancelled) {
        String waiting = "rank " + rank + " of " + worldSize + " waited in " + folder + " for "
                + Ranks.name(missing(found)) + " to join";
        if (cancelled.getAsBoolean() || Thread.currentThread().isInterrupted()) {
            throw new CollectiveException(waiting + ", and was told to stop");
        }
        if (!Files.isDirectory(folder)) {
            throw new CollectiveException(waiting + ", and the folder is gone");
        }
        if (late) {
            throw new CollectiveException(waiting + ", and " + Ranks.seconds(timeout) + " have passed");
        }
    }

    private List<Integer> missing(Map<Integer, byte[]> found) {
        return IntStream.range(0, worldSize)
                .filter(peer -> !found.containsKey(peer))
                .boxed()
                .toList();
    }

    private byte @Nullable [] read(int peer) {
        Path file = file(peer);
        try {
            if (Files.size(file) > MAX_BYTES_PER_RANK * worldSize) {
                throw new CollectiveException(file + ": is no list of addresses");
            }
            List<String> lines = Files.readAllLines(file, StandardCharsets.US_ASCII);
            boolean whole =
                    lines.size() == worldSize + 1 && lines.get(worldSize).equals(END);
            return whole ? HexFormat.of().parseHex(lines.get(rank)) : null;
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException | IllegalArgumentException e) {
            throw new CollectiveException(file + ": could not be read as a list of addresses", e);
        }
    }

    private Path file(int peer) {
        return folder.resolve(group + "-" + peer);
    }
}
