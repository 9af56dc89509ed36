// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * Counts the GPUs that a node's workers find. A process like theirs is asked, since what it finds follows from libraries,
 * driver, container and {@code CUDA_VISIBLE_DEVICES} together; and so that the node's own JVM never touches CUDA.
 */
public final class GpuCount {
    /** A driver without persistence wakes every GPU first. */
    private static final Duration LIMIT = Duration.ofMinutes(2);

    /** Of what the process says; the rest of a long log is of no use. */
    private static final int MAX_OUTPUT_BYTES = 1 << 18;

    private static final int MAX_NAME_CHARS = 100;
    private static final int TOLD_LINES = 5;

    private final WorkerJvm jvm;
    private final Duration limit;

    private GpuCount(WorkerJvm jvm, Duration limit) {
        this.jvm = jvm;
        this.limit = limit;
    }

    /** By a process with these flags and class path. */
    public static GpuCount by(WorkerJvm workers) {
        return in(new WorkerJvm(workers.flags(), workers.classPath(), GpuMain.class.getName(), 1), LIMIT);
    }

    static GpuCount in(WorkerJvm jvm, Duration limit) {
        return new GpuCount(jvm, limit);
    }

    /**
     * Starts the process, and waits for its end.
     *
     * @param bindHost where the node listens
     * @return the GPUs' names, by number
     * @throws FaultException NODE_UNFIT with what the process said last where it cannot tell
     */
    public List<String> names(String bindHost) throws InterruptedException {
        try {
            Path output = Files.createTempFile("chorale-gpus", ".txt");
            try {
                return names(jvm.builder(bindHost).redirectOutput(output.toFile()), output);
            } finally {
                Files.delete(output);
            }
        } catch (IOException e) {
            throw unfit("its process cannot be started: " + e.getMessage());
        }
    }

    private List<String> names(ProcessBuilder builder, Path output) throws IOException, InterruptedException {
        Process process = builder.start();
        try {
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                throw unfit("not done after %d s".formatted(limit.toSeconds()));
            }
            List<String> lines = lines(output);
            List<String> names = lines.stream()
                    .filter(line -> line.startsWith(GpuMain.GPU))
                    .map(line -> line.substring(GpuMain.GPU.length()).strip())
                    .map(name -> name.substring(0, Math.min(name.length(), MAX_NAME_CHARS)))
                    .toList();
            if (process.exitValue() != 0 || !lines.contains(GpuMain.END + names.size())) {
                throw unfit("exit code %d%s".formatted(process.exitValue(), last(lines)));
            }
            return names;
        } finally {
            process.destroyForcibly();
        }
    }

    private static List<String> lines(Path output) throws IOException {
        try (InputStream said = Files.newInputStream(output)) {
            return new String(said.readNBytes(MAX_OUTPUT_BYTES), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        }
    }

    private static String last(List<String> lines) {
        Stream<String> last = lines.stream().skip(Math.max(0, lines.size() - TOLD_LINES));
        return lines.isEmpty() ? "" : last.reduce("", (told, line) -> told + "\n  " + line);
    }

    private static FaultException unfit(String why) {
        return new FaultException(
                FaultCode.NODE_UNFIT,
                "the GPUs of this machine cannot be counted (chorale doctor says what is missing; with CHORALE_DEVICE=cpu"
                        + " the node does without): " + why);
    }
}
