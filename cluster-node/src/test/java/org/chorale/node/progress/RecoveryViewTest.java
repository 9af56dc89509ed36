// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.WorkersAwaited;
import org.junit.jupiter.api.Test;

/** What is shown of workers that are awaited, or were lost. */
final class RecoveryViewTest {
    private static final RunEvent RECOVERY = RunEvent.newBuilder()
            .setRecovery(RecoveryBegan.newBuilder()
                    .setWorker("local/1")
                    .setReason("its process 4711 was ended by signal 9\nit said last: terminate called")
                    .setStep(1_028)
                    .setFromStep(1_020)
                    .setRecoveries(2))
            .build();

    private static final RunEvent AWAITED = RunEvent.newBuilder()
            .setAwaited(WorkersAwaited.newBuilder().setWorkers(1).setWanted(2).setAwaited("1 of 2 workers to join"))
            .build();

    private static final String LINE =
            "worker local/1 was lost after step 1,028: its process 4711 was ended by signal 9;"
                    + " going on from step 1,020 with another";

    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(shown, true, StandardCharsets.UTF_8);

    @Test
    void aLineTellsOfALossAndTheSummaryCountsThem() {
        PlainView view = new PlainView(out, false, () -> 0);
        List.of(Events.started(0, 2_000), AWAITED, RECOVERY, Events.step(1_021, 1), Events.finished(2_000))
                .forEach(view::show);

        assertThat(text().lines())
                .contains(LINE, "  recoveries              1")
                .noneMatch(line -> line.contains("waiting for"));
    }

    @Test
    void aTerminalShowsWhatIsAwaitedWhereTheBarIs() {
        BarView view = new BarView(out, 120, false, () -> 0);
        view.show(Events.started(0, 2_000));
        view.show(AWAITED);
        assertThat(text()).endsWith("1 of 2 workers: waiting for 1 of 2 workers to join");
        view.show(RECOVERY);

        assertThat(text()).contains("worker local/1 was lost after step 1,028");
    }

    @Test
    void programsGetAllOfIt() throws IOException {
        JsonView view = new JsonView(out);
        view.show(AWAITED);
        view.show(RECOVERY);

        List<String> lines = text().lines().toList();
        JsonNode awaited = new ObjectMapper().readTree(lines.get(0));
        JsonNode recovery = new ObjectMapper().readTree(lines.get(1));
        assertThat(awaited.get("awaited").asText()).isEqualTo("1 of 2 workers to join");
        assertThat(recovery.get("from_step").asLong()).isEqualTo(1_020);
        assertThat(recovery.get("reason").asText()).contains("terminate called");
    }

    private String text() {
        return shown.toString(StandardCharsets.UTF_8);
    }
}
