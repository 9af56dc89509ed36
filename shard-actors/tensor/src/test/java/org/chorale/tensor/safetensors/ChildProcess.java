// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.chorale.tensor.OtherJvm;

/** Runs a main class of the tests in a JVM of its own. */
final class ChildProcess {
    private static final long DEADLINE_SECONDS = 60;

    record Result(int exitCode, String output) {}

    private ChildProcess() {}

    static Result run(Class<?> main, String... arguments) {
        return run(List.of(), main, arguments);
    }

    static Result run(List<String> flags, Class<?> main, String... arguments) {
        try {
            Path output = Files.createTempFile("child", ".txt");
            try {
                Process process = OtherJvm.of(main, flags, arguments)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
                if (!process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                    throw new IllegalStateException(main + " did not end in " + DEADLINE_SECONDS + " s");
                }
                return new Result(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
            } finally {
                Files.delete(output);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
