// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * {@code run.lock}: held while a process trains in the directory. The operating system frees it when the process ends
 * in whatever way, kill -9 included.
 */
final class RunLock implements AutoCloseable {
    static final String FILE = "run.lock";

    /**
     * Locks belong to the process, and closing any channel on the file would free them: so a second open in this
     * process must be turned away before it touches the file.
     */
    private static final Set<Path> HELD_HERE = ConcurrentHashMap.newKeySet();

    private final Path key;
    private final FileChannel channel;

    private RunLock(Path key, FileChannel channel) {
        this.key = key;
        this.channel = channel;
    }

    /** @throws FaultException RUN_DIRECTORY_TAKEN where someone else holds it */
    static RunLock take(Path dir) throws IOException {
        Path key = dir.toRealPath().resolve(FILE);
        if (!HELD_HERE.add(key)) {
            throw taken(dir, holder());
        }
        try {
            return new RunLock(key, lock(dir, key));
        } catch (IOException | FaultException e) {
            HELD_HERE.remove(key);
            throw e;
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the RunLock, or here where it is refused
    private static FileChannel lock(Path dir, Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                throw taken(dir, Files.readString(file).strip());
            }
            channel.truncate(0);
            Storage.writeFully(channel, holder().getBytes(StandardCharsets.UTF_8));
            return channel;
        } catch (IOException | FaultException e) {
            channel.close();
            throw e;
        }
    }

    private static String holder() {
        return "process " + ProcessHandle.current().pid();
    }

    private static FaultException taken(Path dir, String holder) {
        return new FaultException(
                FaultCode.RUN_DIRECTORY_TAKEN,
                "%s is in use by %s: wait for it, stop it, or choose another --run-dir".formatted(dir, holder));
    }

    @Override
    public void close() throws IOException {
        channel.close();
        HELD_HERE.remove(key);
    }
}
