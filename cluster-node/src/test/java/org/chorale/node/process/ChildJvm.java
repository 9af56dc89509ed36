// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import org.chorale.node.Main;

/**
 * One start of the program in a JVM of its own, with the flags and the class path of this one. It and all processes that
 * come of it have a mark in their environment, by which they are found when nobody else knows them.
 */
public final class ChildJvm implements AutoCloseable {
    private static final String MARK = "CHORALE_TEST_START";
    private static final long DEADLINE_SECONDS = 60;
    private static final long POLL_MILLIS = 2;

    private final IntSupplier metricsLines;
    private final Process process;
    private final Path output;
    private final String mark;

    private ChildJvm(IntSupplier metricsLines, Process process, Path output, String mark) {
        this.metricsLines = metricsLines;
        this.process = process;
        this.output = output;
        this.mark = mark;
    }

    /**
     * {@code chorale train}.
     *
     * @param options of the command line, besides the run directory
     */
    static ChildJvm start(TinyRun run, String... options) {
        List<String> arguments = new ArrayList<>(
                List.of("train", run.conf().toString(), "--run-dir", run.dir().toString()));
        arguments.addAll(List.of(options));
        return start(run.folder(), run::metricsLines, Map.of(), List.of(), arguments);
    }

    /** @param folder where it starts, and where what it says is kept */
    public static ChildJvm start(Path folder, String... arguments) {
        return start(folder, () -> 0, Map.of(), List.of(), List.of(arguments));
    }

    /**
     * Likewise, in another installation.
     *
     * @param environment more variables
     * @param classPath more jars and folders with classes
     */
    public static ChildJvm start(
            Path folder, Map<String, String> environment, List<Path> classPath, String... arguments) {
        return start(folder, () -> 0, environment, classPath, List.of(arguments));
    }

    private static ChildJvm start(
            Path folder,
            IntSupplier metricsLines,
            Map<String, String> environment,
            List<Path> classPath,
            List<String> arguments) {
        try {
            Path output = Files.createTempFile(folder, "output", ".txt");
            String mark = "%s=%s".formatted(MARK, UUID.randomUUID());
            ProcessBuilder builder = new ProcessBuilder(command(classPath, arguments))
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile());
            // Threads that wait by spinning would take the cores from those that they wait for.
            builder.environment().put("OMP_WAIT_POLICY", "PASSIVE");
            builder.environment().put("OMP_NUM_THREADS", "1");
            builder.environment().putAll(environment);
            builder.environment().put(MARK, mark.substring(MARK.length() + 1));
            return new ChildJvm(metricsLines, builder.start(), output, mark);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whoever starts the tests in the background has them ignore SIGINT, and children inherit that unless told. */
    private static List<String> command(List<Path> classPath, List<String> arguments) {
        List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT,TERM"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("-Dorg.bytedeco.") || flag.startsWith("-Dai.djl."))
                .forEach(command::add);
        command.addAll(List.of("-DRUST_FLAVOR=cpu", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        StringJoiner entries = new StringJoiner(File.pathSeparator).add(System.getProperty("java.class.path"));
        classPath.forEach(entry -> entries.add(entry.toString()));
        command.addAll(List.of("-cp", entries.toString(), Main.class.getName()));
        command.addAll(arguments);
        return command;
    }

    /** Returns true once there are so many lines of metrics, false where the process ends before. */
    boolean awaitMetrics(int lines) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (metricsLines.getAsInt() < lines) {
            if (process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                return false;
            }
            assertThat(System.nanoTime()).as("deadline; %s", output()).isLessThan(deadline);
        }
        return true;
    }

    /** Returns once the process has said this. */
    public void awaitOutput(String said) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (!output().contains(said)) {
            boolean ended = process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS);
            assertThat(ended)
                    .as("ended before it said '%s'; %s", said, output())
                    .isFalse();
            assertThat(System.nanoTime()).as("deadline; %s", output()).isLessThan(deadline);
        }
    }

    /** Returns true where the process still lives after so long. */
    boolean outlives(long millis) throws InterruptedException {
        return !process.waitFor(millis, TimeUnit.MILLISECONDS);
    }

    /** Sends SIGKILL, which no process can catch, and waits until the process is gone. */
    @CanIgnoreReturnValue
    public int kill() throws InterruptedException {
        process.destroyForcibly();
        return exitCode();
    }

    /** Sends a signal, such as INT. */
    public void signal(String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("sh", "-c", "kill -%s %d".formatted(name, process.pid())).start();
        assertThat(kill.waitFor()).as("kill -%s", name).isZero();
    }

    public long pid() {
        return process.pid();
    }

    public int exitCode() throws InterruptedException {
        assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("the process ends within %d s; %s", DEADLINE_SECONDS, output())
                .isTrue();
        return process.exitValue();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** Processes of workers, from the moment on at which the launcher has started them. */
    List<ProcessHandle> workers() {
        return process.children().toList();
    }

    /** This process and all that have come of it, whoever their parent is by now. */
    Set<Long> family() {
        return Processes.withEnvironment(mark);
    }

    /** Where what it says is written. */
    Path outputFile() {
        return output;
    }

    public List<ProcessHandle> descendants() {
        return process.descendants().toList();
    }

    public String output() {
        try {
            return Files.readString(output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
