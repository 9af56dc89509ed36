// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class EventHubTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final RunEvent STARTED =
            RunEvent.newBuilder().setStarted(RunStarted.getDefaultInstance()).build();
    private static final RunEvent ENDED = RunEvent.newBuilder()
            .setEnded(RunEnded.newBuilder().setOutcome(RunEnded.Outcome.FINISHED))
            .build();

    private final EventHub hub = new EventHub();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void everyListenerHearsEverythingInOrder() throws Exception {
        CompletionStage<List<RunEvent>> first = heardByOne();
        CompletionStage<List<RunEvent>> second = heardByOne();

        List.of(STARTED, step(1), step(2), ENDED).forEach(hub::publish);

        assertThat(of(first)).containsExactly(STARTED, step(1), step(2), ENDED).isEqualTo(of(second));
    }

    @Test
    void whoComesLateBeginsWithTheStart() throws Exception {
        hub.publish(STARTED);
        hub.publish(step(1));
        CompletionStage<List<RunEvent>> late = heardByOne();
        hub.publish(step(2));
        hub.publish(ENDED);

        assertThat(of(late)).containsExactly(STARTED, step(2), ENDED);
        assertThat(of(heardByOne())).as("after the end").containsExactly(STARTED, ENDED);
    }

    @Test
    void ofASlowListenerTheOldestEventsAreDroppedAndNobodyWaits() throws Exception {
        CompletableFuture<Void> gate = new CompletableFuture<>();
        CompletionStage<List<RunEvent>> slow =
                hub.events().mapAsync(1, event -> gate.thenApply(open -> event)).runWith(Sink.seq(), KIT.system());
        CompletionStage<List<RunEvent>> quick = heardByOne();
        int steps = 3 * EventHub.BUFFERED_EVENTS;

        LongStream.rangeClosed(1, steps).mapToObj(EventHubTest::step).forEach(hub::publish);
        hub.publish(ENDED);
        assertThat(of(quick)).endsWith(step(steps), ENDED); // while the slow one has taken nothing
        gate.complete(null);

        assertThat(of(slow)).endsWith(step(steps), ENDED).hasSizeBetween(2, EventHub.BUFFERED_EVENTS + 2);
    }

    @Test
    void aListenerThatLeavesIsForgotten() throws Exception {
        CompletionStage<RunEvent> one = hub.events().runWith(Sink.head(), KIT.system());
        assertThat(hub.listeners()).isEqualTo(1);
        hub.publish(step(1));
        assertThat(of(one)).isEqualTo(step(1));

        TestProbe<Object> probe = KIT.createTestProbe();
        probe.awaitAssert(Duration.ofSeconds(5), () -> {
            assertThat(hub.listeners()).isZero();
            return null;
        });
    }

    @Test
    void aHubThatIsClosedEndsItsStreams() throws Exception {
        CompletionStage<List<RunEvent>> listener = heardByOne();
        hub.publish(step(1));
        hub.close();
        hub.publish(step(2));

        assertThat(of(listener)).containsExactly(step(1));
    }

    private CompletionStage<List<RunEvent>> heardByOne() {
        return hub.events().runWith(Sink.seq(), KIT.system());
    }

    private static RunEvent step(long step) {
        return RunEvent.newBuilder()
                .setStep(StepReport.newBuilder().setStep(step))
                .build();
    }

    private static <T> T of(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(10, TimeUnit.SECONDS);
    }
}
