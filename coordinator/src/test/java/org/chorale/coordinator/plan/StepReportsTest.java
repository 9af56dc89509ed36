// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.chorale.proto.wire.SourceShare;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;

final class StepReportsTest {
    @Test
    void whatTheRanksHaveOfEachSourceIsAddedUp() {
        StepReport merged = StepReports.merged(
                List.of(report(of(2, 100), of(0, 0)), report(of(1, 3), of(1, 40)), report(of(0, 0), of(0, 0))));

        assertThat(merged.getSourcesList()).containsExactly(of(3, 103), of(1, 40));
    }

    @Test
    void aSingleSourceIsNotToldOf() {
        assertThat(StepReports.merged(List.of(report(), report())).getSourcesList())
                .isEmpty();
    }

    private static SourceShare of(long examples, long tokens) {
        return SourceShare.newBuilder().setExamples(examples).setTokens(tokens).build();
    }

    private static StepReport report(SourceShare... sources) {
        return StepReport.newBuilder().addAllSources(List.of(sources)).build();
    }
}
