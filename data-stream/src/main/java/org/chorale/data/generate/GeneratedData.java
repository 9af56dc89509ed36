// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.generate;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.chorale.data.disk.DurableFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** The files that {@code data.generate} writes into the run directory. */
public record GeneratedData(Path train, Path heldOut) {
    /** Where the files of a run are, written or not. */
    public static GeneratedData in(Path runDirectory) {
        Path folder = runDirectory.resolve("data");
        return new GeneratedData(folder.resolve("train.jsonl"), folder.resolve("held-out.jsonl"));
    }

    /** Writes what is missing or is not as it should be; a file that is right is left alone. */
    public void write(GenerateConfig config) {
        Optional<GenerateTask> task = config.task();
        if (task.isEmpty()) {
            throw new IllegalArgumentException("data.generate.task is not set: nothing says what to write");
        }
        switch (task.get()) {
            case REVERSE_WORDS -> {
                WordReversal words = new WordReversal(config.seed());
                write(train, () -> words.training(config.trainRows()));
                write(heldOut, () -> words.heldOut(config.heldOutRows()));
            }
        }
    }

    private static void write(Path file, Supplier<Stream<String>> rows) {
        try {
            if (!holds(file, rows.get())) {
                replace(file, rows.get());
            }
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, file + " cannot be written: " + e, e);
        }
    }

    private static boolean holds(Path file, Stream<String> rows) throws IOException {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            for (Iterator<String> row = rows.iterator(); row.hasNext(); ) {
                byte[] line = line(row.next());
                if (!Arrays.equals(in.readNBytes(line.length), line)) {
                    return false;
                }
            }
            return in.read() < 0;
        }
    }

    private static void replace(Path file, Stream<String> rows) throws IOException {
        try (DurableFile durable = DurableFile.begin(file)) {
            OutputStream out = durable.out();
            for (Iterator<String> row = rows.iterator(); row.hasNext(); ) {
                out.write(line(row.next()));
            }
            durable.commit();
        }
    }

    private static byte[] line(String row) {
        return (row + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
