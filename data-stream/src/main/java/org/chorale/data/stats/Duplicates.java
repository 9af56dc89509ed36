// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.stats;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.chorale.data.disk.Sha256;

/**
 * Finds examples that are the same, by 127 bits of their SHA-256. The digests are spread over files by their first byte,
 * each of which is sorted by itself, so that memory holds a 256th of them at a time.
 */
public final class Duplicates implements AutoCloseable {
    private static final int FILES = 256;

    /**
     * What was found.
     *
     * @param repeated training examples that are the same as one before
     * @param heldOutInTraining held-out examples that are the same as one that is trained
     */
    public record Found(long repeated, long heldOutInTraining) {}

    /** The lowest bit of low says that the example is held out, so that equal ones stand together, trained ones first. */
    private record Digest(long high, long low) implements Comparable<Digest> {
        @Override
        public int compareTo(Digest other) {
            int byHigh = Long.compare(high, other.high);
            return byHigh != 0 ? byHigh : Long.compareUnsigned(low, other.low);
        }

        boolean heldOut() {
            return (low & 1) != 0;
        }

        boolean isSameExample(Digest other) {
            return high == other.high && low >>> 1 == other.low >>> 1;
        }
    }

    private final Path folder;
    private final List<DataOutputStream> files = new ArrayList<>();

    /** @param folder of which everything may be deleted afterwards */
    public Duplicates(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
        for (int i = 0; i < FILES; i++) {
            files.add(new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file(i)))));
        }
    }

    /** Adds an example. */
    public void add(String example, boolean heldOut) throws IOException {
        ByteBuffer digest = ByteBuffer.wrap(Sha256.begin().digest(example.getBytes(StandardCharsets.UTF_8)));
        long high = digest.getLong();
        DataOutputStream out = files.get((int) (high >>> (Long.SIZE - Byte.SIZE)));
        out.writeLong(high);
        out.writeLong((digest.getLong() & ~1L) | (heldOut ? 1 : 0));
    }

    /** What there is among all that was added. */
    public Found found() throws IOException {
        close();
        long repeated = 0;
        long heldOutInTraining = 0;
        for (int i = 0; i < FILES; i++) {
            List<Digest> digests = sorted(file(i));
            boolean trained = false; // whether an example like this one is
            for (int at = 0; at < digests.size(); at++) {
                Digest digest = digests.get(at);
                boolean again = at > 0 && digest.isSameExample(digests.get(at - 1));
                trained = (again && trained) || !digest.heldOut();
                repeated += again && !digest.heldOut() ? 1 : 0;
                heldOutInTraining += digest.heldOut() && trained ? 1 : 0;
            }
        }
        return new Found(repeated, heldOutInTraining);
    }

    @Override
    public void close() throws IOException {
        for (DataOutputStream file : files) {
            file.close();
        }
    }

    private Path file(int number) {
        return folder.resolve("digests-" + number);
    }

    private static List<Digest> sorted(Path file) throws IOException {
        int count = Math.toIntExact(Files.size(file) / (2 * Long.BYTES));
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            List<Digest> digests = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                digests.add(new Digest(in.readLong(), in.readLong()));
            }
            digests.sort(null);
            return digests;
        }
    }
}
