// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.chorale.proto.wire.RunEvent;
import org.junit.jupiter.api.Test;

final class BarViewTest {
    private static final int COLUMNS = 90;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @Test
    void theScreenEndsWithTheFullBarAndTheSummaryAndKeepsTheEvaluations() {
        BarView view = new BarView(out, COLUMNS, false, () -> 0);
        Events.run(40).forEach(view::show);

        List<String> screen = screen();
        assertThat(screen)
                .containsSubsequence(
                        "starting: 40 steps in all, 1,234,567 parameters, 4,000 examples",
                        "evaluation at step 0: exact match 0.0 % (0 of 200), loss 6.3100",
                        "evaluation at step 40: exact match 94.5 % (189 of 200), loss 0.0500",
                        "finished at step 40 after 0s",
                        "  exact match             0.0 % -> 94.5 % (steps 0 and 40)");
        assertThat(screen.get(3))
                .startsWith("step 40/40 [==")
                .endsWith("==]  loss 0.1500  2,000 tokens/s  0s left")
                .hasSize(COLUMNS - 1);
    }

    @Test
    void onANarrowTerminalTheBarGivesWayToTheWords() {
        BarView view = new BarView(out, 45, false, () -> 0);
        Events.run(40).forEach(view::show);

        assertThat(screen()).contains("step 40/40   loss 0.1500  2,000 tokens/s  0s");
    }

    @Test
    void whatIsWaitedForStandsInTheBarsPlaceAndIsGoneAtTheEnd() {
        BarView view = new BarView(out, COLUMNS, false, () -> 0);
        view.show(Events.working(0, 0));
        assertThat(screen()).containsExactly("the evaluation");
        List<RunEvent> run = Events.run(40);
        run.subList(0, run.size() - 1).forEach(view::show);
        view.show(Events.working(120, 4000));
        assertThat(screen()).last().isEqualTo("120 of 4,000: the evaluation");
        view.show(Events.finished(40));

        assertThat(screen())
                .noneMatch(line -> line.contains("the evaluation"))
                .anyMatch(line -> line.startsWith("step 40/40 [=="));
    }

    @Test
    void aRunThatFailsBeforeItStartsLeavesNoBar() {
        BarView view = new BarView(out, COLUMNS, false, () -> 0);
        view.show(Events.finished(0));

        assertThat(screen()).startsWith("finished at step 0 after 0s");
    }

    /** What a terminal shows in the end: a carriage return and an erasure begin a line anew. */
    private List<String> screen() {
        List<String> lines = new ArrayList<>();
        for (String line : bytes.toString(StandardCharsets.UTF_8).split("\n", -1)) {
            lines.add(line.substring(line.lastIndexOf("\r\u001b[K") + 1).replace("\u001b[K", ""));
        }
        return lines;
    }
}
