// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.chorale.tensor.OtherJvm;

/**
 * A main class in a process of its own, of which memory is measured: with one compiler that is soon done and a heap whose
 * pages are all touched, only native memory can grow.
 */
final class ProbeProcess {
    private static final long DEADLINE_SECONDS = 300;

    private ProbeProcess() {}

    /** @return the lines that it printed; one that fails fails the test */
    static List<String> run(Class<?> probe, String... arguments) throws IOException, InterruptedException {
        ProcessBuilder builder = OtherJvm.of(
                probe,
                List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms96m", "-Xmx96m", "-XX:+AlwaysPreTouch"),
                arguments);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("the probe ended")
                .isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        return output.lines().toList();
    }
}
