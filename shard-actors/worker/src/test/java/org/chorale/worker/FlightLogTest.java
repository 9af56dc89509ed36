// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.tensor.collective.Flight;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FlightLogTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Instant BEGUN = Instant.parse("2026-11-23T10:00:00Z");
    private static final Instant NOW = BEGUN.plusSeconds(60);

    @TempDir
    private Path run;

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void anOperationThatNobodyJoinsIsWrittenDownWithThoseBeforeIt() throws IOException {
        Flight gather = flight(16, "allGather", BEGUN, BEGUN.plusSeconds(1));
        Flight stuck = flight(17, "reduceScatter", BEGUN.plusSeconds(1), null);
        Path file = log(run.toString()).write(List.of(gather, stuck), NOW).orElseThrow();
        assertThat(file).isEqualTo(run.resolve("flights/generation-3-rank-1.jsonl"));
        assertThat(Files.readAllLines(file))
                .containsExactly(
                        "{\"group\":\"world\",\"number\":16,\"operation\":\"allGather\",\"bytes\":1024,"
                                + "\"type\":\"Float\",\"begun\":\"2026-11-23T10:00:00Z\","
                                + "\"started\":\"2026-11-23T10:00:00Z\",\"ended\":\"2026-11-23T10:00:01Z\"}",
                        "{\"group\":\"world\",\"number\":17,\"operation\":\"reduceScatter\",\"bytes\":1024,"
                                + "\"type\":\"Float\",\"begun\":\"2026-11-23T10:00:00Z\","
                                + "\"started\":\"2026-11-23T10:00:01Z\",\"ended\":null}");
    }

    @Test
    void anOperationThatEndedWhenItWasGivenUpTookLongToo() {
        Flight aborted = flight(17, "reduceScatter", BEGUN, BEGUN.plusSeconds(30));
        assertThat(log(run.toString()).write(List.of(aborted), NOW)).isPresent();
    }

    @Test
    void nothingIsWrittenWhereNoOperationTookLong() {
        Flight quick = flight(16, "allGather", BEGUN, BEGUN.plusSeconds(1));
        Flight waiting = flight(17, "reduceScatter", null, null); // for what was begun before it
        assertThat(log(run.toString()).write(List.of(quick, waiting), NOW)).isEmpty();
        assertThat(run).isEmptyDirectory();
    }

    @Test
    void aRecordThatCannotBeWrittenIsNoSecondFailure() throws IOException {
        Path file = Files.createFile(run.resolve("file"));
        assertThat(log(file.toString()).write(List.of(flight(1, "barrier", BEGUN, null)), NOW))
                .isEmpty();
    }

    private static Flight flight(long number, String operation, @Nullable Instant started, @Nullable Instant ended) {
        return new Flight("world", number, operation, 1024, "Float", BEGUN, started, ended);
    }

    private static FlightLog log(String dir) {
        String conf = ConfigFactory.parseString("run.dir = \"" + dir + "\"")
                .withFallback(ConfigReader.defaults())
                .root()
                .render(ConfigRenderOptions.concise());
        ActorRef<Object> nobody = KIT.createTestProbe(Object.class).ref();
        return FlightLog.of(new TakeShard(
                3,
                1,
                ShardPlan.getDefaultInstance(),
                conf,
                Optional.empty(),
                1,
                "rendezvous",
                nobody.narrow(),
                nobody.narrow()));
    }
}
