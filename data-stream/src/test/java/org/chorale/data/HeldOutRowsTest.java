// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.source.RowFormat;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;

class HeldOutRowsTest {
    @Test
    void aShareIsTakenOfEverySourceAndRoundedUpInDecimals() {
        HeldOutRows held = HeldOutRows.of(share(0.07), List.of(40L, 50L, 10L));
        assertThat(held.eval().stream().mapToLong(part -> part.rows().count())).containsExactly(2L, 4L, 1L);
        assertThat(held.train().stream().mapToLong(rows -> rows.count())).containsExactly(38L, 46L, 9L);
    }

    @Test
    void rowsAddUpToWhatWasAskedForHoweverManySourcesThereAre() {
        List<Long> sources = List.of(7L, 1L, 1L, 30L, 1L, 1_000_000_007L);
        HeldOutRows held = HeldOutRows.of(rows(1000), sources);
        assertThat(held.eval().stream().mapToLong(part -> part.rows().count()).sum())
                .isEqualTo(1000);
        assertThat(held.eval()).as("none of a source whose share is no row").hasSize(1);
        assertThat(held.eval().get(0).source()).isEqualTo(5);
    }

    @Test
    void hugeSourcesDoNotOverflow() {
        HeldOutRows held = HeldOutRows.of(share(0.5), List.of(1L << 58, 1L << 58));
        assertThat(held.eval().stream().mapToLong(part -> part.rows().count())).containsExactly(1L << 57, 1L << 57);
    }

    @Test
    void nothingIsHeldOutUnlessAskedFor() {
        HeldOutRows held = HeldOutRows.of(config(Optional.empty(), Optional.empty()), List.of(3L));
        assertThat(held.eval()).isEmpty();
        assertThat(held.train().get(0).count()).isEqualTo(3);
    }

    @Test
    void aSourceOfWhichNothingWouldBeLeftIsNamed() {
        assertThatThrownBy(() -> HeldOutRows.of(share(0.9), List.of(100L, 1L)))
                .isInstanceOf(FaultException.class)
                .hasMessage("data.eval.share = 0.9: would hold out all 1 rows of a training source (number 1);"
                        + " must leave some to train");
    }

    private static EvalConfig share(double share) {
        return config(Optional.of(share), Optional.empty());
    }

    private static EvalConfig rows(long rows) {
        return config(Optional.empty(), Optional.of(rows));
    }

    private static EvalConfig config(Optional<Double> share, Optional<Long> rows) {
        return new EvalConfig(
                Optional.empty(), RowFormat.AUTO, Map.of(), Optional.empty(), Optional.empty(), List.of(), share, rows);
    }
}
