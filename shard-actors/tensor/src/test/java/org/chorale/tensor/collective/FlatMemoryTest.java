// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.chorale.tensor.OtherJvm;
import org.junit.jupiter.api.Test;

/** Neither operations nor groups leave memory, descriptors or threads behind. */
final class FlatMemoryTest {
    /** A tenth of what the tensors take that the rounds leak, 20 KB each. */
    private static final long TOLERATED_KILOBYTES = 3_000;

    /** Native threads of a group end shortly after it. */
    private static final long TOLERATED_THREADS = 3;

    private static final long DEADLINE_SECONDS = 120;

    private static final List<String> STEADY_HEAP =
            List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

    @Test
    void threeThousandOperationsLeaveNothing() throws Exception {
        assertFlat(probe("rounds", "drop"));
    }

    @Test
    void aTensorKeptInEachRoundWouldBeSeen() throws Exception {
        Map<String, Long> growth = probe("rounds", "leak");
        assertThat(growth.get("references")).isEqualTo(1_500);
        assertThat(growth.get("rssAnonKilobytes")).isGreaterThan(TOLERATED_KILOBYTES);
    }

    @Test
    void fiftyGroupsThatEndOrAreAbortedLeaveNothing() throws Exception {
        assertFlat(probe("groups", "drop"));
    }

    private static void assertFlat(Map<String, Long> growth) {
        assertThat(growth.get("references")).isZero();
        assertThat(growth.get("rssAnonKilobytes")).isLessThan(TOLERATED_KILOBYTES);
        assertThat(growth.get("descriptors")).isLessThanOrEqualTo(0);
        assertThat(growth.get("threads")).isLessThanOrEqualTo(TOLERATED_THREADS);
    }

    /** How much of each the process holds more after the work than before. */
    private static Map<String, Long> probe(String work, String use) throws IOException, InterruptedException {
        Process process = OtherJvm.of(MemoryProbe.class, STEADY_HEAP, work, use).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        return output.lines()
                .map(line -> line.split(" ", -1))
                .collect(Collectors.toMap(
                        words -> words[0], words -> Long.parseLong(words[2]) - Long.parseLong(words[1])));
    }
}
