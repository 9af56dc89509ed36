// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.junit.jupiter.api.Test;

final class PlainViewTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    private long nanos;

    @Test
    void aShortRunReadsLikeThis() {
        show(false, 1_000_000_000L, Events.run(2));

        assertThat(lines())
                .containsExactly(
                        "starting: 2 steps in all, 1,234,567 parameters, 4,000 examples",
                        "evaluation at step 0: exact match 0.0 % (0 of 200), loss 6.3100",
                        "step 1/2  loss 6.0000  2,000 tokens/s  0s left",
                        "step 2/2  loss 3.0000  2,000 tokens/s  0s left",
                        "evaluation at step 2: exact match 94.5 % (189 of 200), loss 0.0500",
                        "finished at step 2 after 7s",
                        "  steps                   2 in this start",
                        "  tokens                  2,000 at 2,000 per second of training",
                        "  loss                    3.0000",
                        "  exact match             0.0 % -> 94.5 % (steps 0 and 2)",
                        "  malformed rows skipped  3",
                        "  tokens cut              2",
                        "  export                  /runs/a/export");
    }

    @Test
    void aRunThatEndedEarlySaysWhyAndWhereItsBestCheckpointIs() {
        show(false, 0, List.of(Events.started(9, 30), Events.working(1, 2), Events.step(10, 2), Events.endedEarly(10)));

        assertThat(lines())
                .contains("finished at step 10 after 0s: 3 evaluations in a row")
                .contains(
                        "  best                    step 7: loss 1.5000, exact match 50.0 %, /runs/a/checkpoints/step-7");
    }

    @Test
    void aFastRunHasALinePerSecondAtMostAndItsLastStep() {
        show(false, 10_000_000L, Events.run(1_000));

        List<String> steps =
                lines().stream().filter(line -> line.startsWith("step ")).toList();
        assertThat(steps).hasSizeBetween(8, 12);
        assertThat(steps.get(steps.size() - 1)).startsWith("step 1000/1000 ");
    }

    @Test
    void aLongRunHasFiftyLines() {
        show(false, 1_000_000_000L, Events.run(1_000));

        assertThat(lines().stream().filter(line -> line.startsWith("step "))).hasSizeBetween(50, 101);
    }

    @Test
    void aSlowRunIsHeardOfEveryTenSeconds() {
        show(false, 11_000_000_000L, Events.run(100));

        assertThat(lines().stream().filter(line -> line.startsWith("step "))).hasSize(100);
    }

    @Test
    void checkpointsAreToldWhereMoreIsAskedFor() {
        show(true, 1, Events.run(2));

        assertThat(lines()).contains("checkpoint at step 2: /runs/a/checkpoints/step-2 (12,345 bytes)");
    }

    @Test
    void aResumedRunSaysSoAndAStepThatIsNotFiniteToo() {
        show(
                false,
                2_000_000_000L,
                List.of(Events.started(7, 9), Events.step(8, Double.NaN), Events.step(9, 0.001), Events.finished(9)));

        assertThat(lines())
                .contains(
                        "going on after step 7: 9 steps in all, 1,234,567 parameters, 4,000 examples",
                        "step 8/9  not finite, skipped  2,000 tokens/s  0s left",
                        "step 9/9  loss 1.00e-03  2,000 tokens/s  0s left",
                        "  steps not finite        1");
    }

    @Test
    void oneWhoCameLaterTellsOfWhatWasWatched() {
        show(
                false,
                2_000_000_000L,
                List.of(Events.started(0, 900), Events.step(800, 3), Events.step(801, 3), Events.finished(900)));

        assertThat(lines())
                .contains("finished at step 900, watched for 8s")
                .anyMatch(line -> line.matches(" +steps +2 while it was watched"));
    }

    @Test
    void aRunWithNothingLeftToDoSaysSo() {
        RunEnded ended = Events.finished(30).getEnded().toBuilder()
                .setMessage("all 30 steps were done before")
                .build();
        show(
                false,
                1_000_000_000L,
                List.of(RunEvent.newBuilder().setEnded(ended).build()));

        assertThat(lines().get(0)).isEqualTo("finished at step 30 after 1s: all 30 steps were done before");
    }

    private void show(boolean verbose, long nanosPerEvent, List<RunEvent> events) {
        PlainView view = new PlainView(out, verbose, () -> nanos);
        for (RunEvent event : events) {
            nanos += nanosPerEvent;
            view.show(event);
        }
    }

    private List<String> lines() {
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
