// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.WatchedEvent;
import org.junit.jupiter.api.Test;

final class RunReportTest {
    @Test
    void whoeverWatchesGetsAStepWithoutItsSamples() {
        StepReport step = StepReport.newBuilder()
                .setStep(7)
                .addAllSamples(LongStream.range(0, 100_000).boxed().toList())
                .build();
        StepReport bare = step.toBuilder().clearSamples().build();
        RunReport report = new RunReport("a");
        WatchedEvent watched = report.add(RunEvent.newBuilder().setStep(step).build());
        assertThat(watched.getEvent().getStep()).isEqualTo(bare);
        assertThat(report.state()).containsExactly(watched);
        RunStatus.Builder status = RunStatus.newBuilder();
        report.addTo(status);
        assertThat(status.getStep()).isEqualTo(bare);
    }
}
