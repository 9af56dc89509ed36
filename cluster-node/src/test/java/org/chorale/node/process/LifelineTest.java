// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class LifelineTest {
    @Test
    void aWorkerWhoseNodeIsKilledHaltsWithinTwoSeconds() throws IOException, InterruptedException {
        Process node = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx128m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        StubNode.class.getName())
                .redirectErrorStream(true)
                .start();
        try (BufferedReader output = node.inputReader()) {
            String joined = output.lines()
                    .filter(line -> line.startsWith("joined "))
                    .findFirst()
                    .orElseThrow();
            long worker = Long.parseLong(joined.substring("joined ".length()));
            assertThat(Processes.isRunning(worker)).isTrue();
            node.destroyForcibly();

            Processes.await("end of the worker", Duration.ofSeconds(2), () -> !Processes.isRunning(worker));
        } finally {
            node.destroyForcibly();
        }
    }
}
