// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A command of the bench, in processes of its own.
 *
 * @param words of the command line, in the repository's root
 * @param log name of the file that takes what it prints
 * @param limit after which it and all that it has started are killed
 */
record BenchCommand(List<String> words, String log, Duration limit) {
    /** The exit code of a command that was killed, as the shell has it. */
    static final int KILLED = 137;

    /** The longest wait for a process that was killed. */
    private static final Duration LONGEST_END = Duration.ofSeconds(30);

    BenchCommand {
        words = List.copyOf(words);
    }

    /** As it is typed. */
    String line() {
        return String.join(
                " ", words.stream().map(word -> word.isEmpty() ? "\"\"" : word).toList());
    }

    /** The same with a variable in its environment. */
    BenchCommand with(String variable, String value) {
        String setting = variable + "=" + value;
        List<String> all = new ArrayList<>(List.of("env", setting));
        all.addAll(words);
        return new BenchCommand(all, setting + "_" + log, limit);
    }

    /** Runs it to its end. */
    BenchOutput run(Path root, Path folder) throws IOException, InterruptedException {
        Path file = folder.resolve(log);
        Process process = new ProcessBuilder(words)
                .directory(root.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectErrorStream(true)
                .redirectOutput(file.toFile())
                .start();
        boolean ended = false;
        try {
            ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        } finally {
            kill(Stream.concat(process.descendants(), Stream.of(process.toHandle()))
                    .toList());
        }
        String printed = new String(Files.readAllBytes(file), StandardCharsets.UTF_8); // whatever it is
        return new BenchOutput(
                ended ? process.exitValue() : KILLED, printed.lines().toList());
    }

    /** And waits for their end, since the next command needs what they hold. */
    private static void kill(List<ProcessHandle> processes) {
        processes.forEach(ProcessHandle::destroyForcibly);
        processes.forEach(process -> process.onExit()
                .completeOnTimeout(process, LONGEST_END.toMillis(), TimeUnit.MILLISECONDS)
                .join());
    }
}
