// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.chorale.node.Main;

/**
 * One start of {@code chorale train} in a JVM of its own, with the flags and the class path of this one. It and all
 * processes that come of it have a mark in their environment, by which they are found when nobody else knows them.
 */
final class ChildJvm implements AutoCloseable {
    private static final String MARK = "CHORALE_TEST_START";
    private static final long DEADLINE_SECONDS = 60;
    private static final long POLL_MILLIS = 2;

    private final TinyRun run;
    private final Process process;
    private final Path output;
    private final String mark;

    private ChildJvm(TinyRun run, Process process, Path output, String mark) {
        this.run = run;
        this.process = process;
        this.output = output;
        this.mark = mark;
    }

    /** @param options of the command line, besides the run directory */
    static ChildJvm start(TinyRun run, String... options) {
        try {
            Path output = Files.createTempFile(run.folder(), "output", ".txt");
            String mark = "%s=%s".formatted(MARK, UUID.randomUUID());
            ProcessBuilder builder = new ProcessBuilder(command(run, options))
                    .directory(run.folder().toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile());
            // Threads that wait by spinning would take the cores from those that they wait for.
            builder.environment().put("OMP_WAIT_POLICY", "PASSIVE");
            builder.environment().put("OMP_NUM_THREADS", "1");
            builder.environment().put(MARK, mark.substring(MARK.length() + 1));
            return new ChildJvm(run, builder.start(), output, mark);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whoever starts the tests in the background has them ignore SIGINT, and children inherit that unless told. */
    private static List<String> command(TinyRun run, String... options) {
        List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT,TERM"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("-Dorg.bytedeco.") || flag.startsWith("-Dai.djl."))
                .forEach(command::add);
        command.addAll(List.of("-DRUST_FLAVOR=cpu", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(
                List.of("train", run.conf().toString(), "--run-dir", run.dir().toString()));
        command.addAll(List.of(options));
        return command;
    }

    /** Returns true once there are so many lines of metrics, false where the process ends before. */
    boolean awaitMetrics(int lines) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (run.metricsLines() < lines) {
            if (process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                return false;
            }
            assertThat(System.nanoTime()).as("deadline; %s", output()).isLessThan(deadline);
        }
        return true;
    }

    /** Returns once the process has said this. */
    void awaitOutput(String said) throws InterruptedException {
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
    int kill() throws InterruptedException {
        process.destroyForcibly();
        return exitCode();
    }

    /** Sends a signal, such as INT. */
    void signal(String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("sh", "-c", "kill -%s %d".formatted(name, process.pid())).start();
        assertThat(kill.waitFor()).as("kill -%s", name).isZero();
    }

    int exitCode() throws InterruptedException {
        assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("the process ends within %d s; %s", DEADLINE_SECONDS, output())
                .isTrue();
        return process.exitValue();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    long pid() {
        return process.pid();
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

    String output() {
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
