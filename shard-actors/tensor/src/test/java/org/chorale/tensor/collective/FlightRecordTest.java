// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What a record tells of operations that a GPU has yet to come to. */
final class FlightRecordTest {
    private static final Duration HOUR = Duration.ofHours(1);

    private final FlightRecord record = new FlightRecord("world");

    @Test
    void anOperationIsSeenToStartAndToEnd() {
        Script gather = add("allGather");
        assertThat(first().started()).isNull();
        gather.ready = true;
        assertThat(first().started()).isNotNull();
        assertThat(first().ended()).isNull();
        gather.done = true;
        assertThat(first().ended()).isNotNull();
        assertThat(gather.closed).isEqualTo(1);
    }

    @Test
    void whatStandsBehindAnotherHasNotStarted() {
        Script first = add("allGather");
        Script second = add("reduceScatter");
        first.ready = true;
        second.ready = true;
        assertThat(record.flights().get(1).started()).isNull();
        first.done = true;
        assertThat(record.flights().get(1).started()).isNotNull();
    }

    @Test
    void onlyAnOperationThatHasStartedIsLate() {
        Script gather = add("allGather");
        assertThat(record.late(Duration.ofNanos(-1)))
                .as("its caller's compute runs")
                .isEmpty();
        gather.ready = true;
        assertThat(record.late(Duration.ofNanos(-1)))
                .hasValueSatisfying(late -> assertThat(late).hasToString("allGather 1 of world, 1,024 bytes of Float"));
        assertThat(record.late(HOUR)).isEmpty();
        gather.done = true;
        assertThat(record.late(Duration.ofNanos(-1))).isEmpty();
    }

    @Test
    void theLastThousandAreKept() {
        for (int i = 0; i < 1_001; i++) {
            Script next = add("barrier");
            next.done = true;
        }
        assertThat(record.flights()).hasSize(1_000);
        assertThat(first().number()).isEqualTo(2);
    }

    @Test
    void aClosedRecordLetsGoOfWhatIsUnderWay() {
        Script gather = add("allGather");
        record.close();
        gather.done = true;
        assertThat(first().ended()).isNull();
        assertThat(gather.closed).isEqualTo(1);
    }

    private Flight first() {
        return record.flights().get(0);
    }

    private Script add(String operation) {
        Script script = new Script();
        record.add(operation, 1024, "Float", script);
        return script;
    }

    /** Progress as the test says it. */
    private static final class Script implements FlightRecord.Progress {
        private boolean ready;
        private boolean done;
        private int closed;

        @Override
        public boolean isReady() {
            return ready;
        }

        @Override
        public boolean isDone() {
            return done;
        }

        @Override
        public void close() {
            closed++;
        }
    }
}
