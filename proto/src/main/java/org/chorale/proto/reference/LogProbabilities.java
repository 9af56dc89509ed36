// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.reference;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * A file of log-probabilities. {@link LogProbabilitiesWriter} says how it is laid out; opening reads and checks all of it,
 * so that nobody who writes there later changes what a run has begun with. Safe to use from many threads.
 */
public final class LogProbabilities {
    static final long MAGIC = 0x43484F524C475031L; // "CHORLGP1"
    static final int ENTRY_BYTES = 3 * Long.BYTES;

    /** 200 MB of heap. */
    public static final int MAX_SEQUENCES = 1 << 23;

    static final int MAX_ORIGINS = 64;
    static final int MAX_ORIGIN_BYTES = 1 << 16;
    private static final long MAX_BYTES = (long) ENTRY_BYTES * MAX_SEQUENCES + 2L * MAX_ORIGINS * MAX_ORIGIN_BYTES;

    private final Map<String, String> origin;
    private final ByteBuffer entries;

    private LogProbabilities(Map<String, String> origin, ByteBuffer entries) {
        this.origin = origin;
        this.entries = entries;
    }

    /** @throws FaultException FILE_MISSING, or FILE_MALFORMED where a byte of it is wrong */
    public static LogProbabilities open(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_BYTES) {
                throw malformed(file, "has %,d bytes, more than %,d".formatted(size, MAX_BYTES));
            }
            return parse(file, ByteBuffer.wrap(Files.readAllBytes(file)));
        } catch (NoSuchFileException e) {
            throw new FaultException(
                    FaultCode.FILE_MISSING, file + " does not exist: chorale precompute RUN.conf writes it", e);
        } catch (IOException e) {
            throw new FaultException(FaultCode.FILE_MISSING, file + " cannot be read: " + e, e);
        }
    }

    /** Whether a place is free, or has one of these, whole or not: nothing else is lost by writing there. */
    public static boolean mayStandAt(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer magic = ByteBuffer.allocate(Long.BYTES);
            return channel.read(magic, 0) == Long.BYTES && magic.getLong(0) == MAGIC;
        } catch (IOException e) {
            return Files.notExists(file);
        }
    }

    private static LogProbabilities parse(Path file, ByteBuffer bytes) {
        int end = bytes.limit() - Long.BYTES; // of what the checksum is of
        if (end < Long.BYTES || bytes.getLong(0) != MAGIC) {
            throw malformed(file, "is no file of log-probabilities");
        }
        CRC32C checksum = new CRC32C();
        checksum.update(bytes.slice(0, end));
        if (checksum.getValue() != bytes.getLong(end)) {
            throw malformed(file, "is not whole: its checksum differs");
        }
        try {
            ByteBuffer body = bytes.slice(Long.BYTES, end - Long.BYTES);
            Map<String, String> origin = origin(body);
            int count = body.getInt();
            if (count < 0 || body.remaining() != (long) count * ENTRY_BYTES) {
                throw malformed(
                        file, "says %,d sequences and has %,d bytes of them".formatted(count, body.remaining()));
            }
            return new LogProbabilities(origin, body.slice()).checked(file);
        } catch (RuntimeException e) {
            throw e instanceof FaultException known ? known : malformed(file, "breaks its format: " + e);
        }
    }

    private static Map<String, String> origin(ByteBuffer body) {
        Map<String, String> origin = new LinkedHashMap<>();
        int lines = Objects.checkIndex(body.getInt(), MAX_ORIGINS + 1);
        for (int i = 0; i < lines; i++) {
            origin.put(text(body), text(body));
        }
        return origin;
    }

    private static String text(ByteBuffer body) {
        byte[] text = new byte[Objects.checkIndex(body.getInt(), MAX_ORIGIN_BYTES + 1)];
        body.get(text);
        return new String(text, StandardCharsets.UTF_8);
    }

    private LogProbabilities checked(Path file) {
        for (int i = 0; i < count(); i++) {
            if (!Double.isFinite(value(i))) {
                throw malformed(file, "has %s for a sequence".formatted(value(i)));
            } else if (i > 0 && key(i - 1).compareTo(key(i)) >= 0) {
                throw malformed(file, "has its sequences out of order");
            }
        }
        return this;
    }

    private static FaultException malformed(Path file, String why) {
        return new FaultException(FaultCode.FILE_MALFORMED, file + " " + why);
    }

    /** What the file was made from, by name. */
    public Map<String, String> origin() {
        return origin;
    }

    /** A line for each thing that it was made from and that is another one here. */
    public List<String> differences(Map<String, String> here) {
        return here.entrySet().stream()
                .filter(now -> !now.getValue().equals(origin.get(now.getKey())))
                .map(now -> "%s is %s there, %s here"
                        .formatted(now.getKey(), origin.getOrDefault(now.getKey(), "not said"), now.getValue()))
                .toList();
    }

    /** How many sequences it has. */
    public int count() {
        return entries.limit() / ENTRY_BYTES;
    }

    /** Of one sequence, in nats; empty where the file has it not. */
    public OptionalDouble find(SequenceKey sequence) {
        int low = 0;
        int high = count(); // an entry of this key is in [low, high)
        while (low < high) {
            int middle = (low + high) >>> 1;
            int compared = key(middle).compareTo(sequence);
            if (compared == 0) {
                return OptionalDouble.of(value(middle));
            } else if (compared < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return OptionalDouble.empty();
    }

    /** All of them, in the heap. */
    public SortedMap<SequenceKey, Double> toMap() {
        SortedMap<SequenceKey, Double> all = new TreeMap<>();
        for (int i = 0; i < count(); i++) {
            all.put(key(i), value(i));
        }
        return all;
    }

    private SequenceKey key(int entry) {
        int at = entry * ENTRY_BYTES;
        return new SequenceKey(entries.getLong(at), entries.getLong(at + Long.BYTES));
    }

    private double value(int entry) {
        return entries.getDouble(entry * ENTRY_BYTES + 2 * Long.BYTES);
    }
}
