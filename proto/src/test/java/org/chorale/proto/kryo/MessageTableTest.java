// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import static org.assertj.core.api.Assertions.assertThat;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Registration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Ids never change: this is the second copy that says so. */
final class MessageTableTest {
    private static final int FIRST_OWN_ID = 10;
    private static final int BEYOND_LAST_ID = 1_000;

    private static final String FROZEN = """
            10 byte[]
            11 long[]
            12 Optional
            13 ListN
            14 List12
            15 ActorRefAdapter
            16 SourceRefImpl
            20 FaultCode
            21 ColumnType
            22 Feed
            30 ModelOutline
            31 ShardPlan
            32 ShardFile
            33 StepReport
            34 EvaluationReport
            35 RankHolding
            36 ClientRequest
            40 Fault
            41 Column
            42 Batch
            43 StepBatch
            44 StepPart
            45 GroupKey
            46 SourceCount
            100 WorkerJoined
            101 ModelDescribed
            102 DataDescribed
            103 ShardReady
            104 StepDone
            105 SpanDone
            106 Evaluated
            107 ShardWritten
            108 ModelExported
            109 WorkerFailed
            110 FeedFailed
            111 StopRun
            112 StillWorking
            113 WorkerLost
            114 WorkerUnavailable
            115 FeederJoined
            116 FeederLost
            117 Abandoned
            118 GroupKeyMade
            200 DescribeModel
            201 TakeShard
            202 RunSteps
            203 StopSpan
            204 Evaluate
            205 WriteShard
            206 ExportModel
            207 FeedOpened
            208 FeedRefused
            209 Abandon
            210 Dismiss
            211 JoinGroup
            300 DescribeData
            301 OpenFeed
            400 Accepted
            401 Refused
            402 CheckRun
            403 StartWorkers
            404 StartFeeder
            405 EndRun
            406 Deferred
            450 NodeJoined
            451 Preflight
            452 RunChecked
            453 RunLeft
            454 Asked
            500 WorkerUp""";

    @Test
    void everyClassHasItsFrozenId() {
        assertThat(table(kryo())).isEqualTo(FROZEN);
    }

    @Test
    void noClassHasTwoIds() {
        Kryo kryo = kryo();
        long registered = IntStream.range(FIRST_OWN_ID, BEYOND_LAST_ID)
                .mapToObj(kryo::getRegistration)
                .filter(registration -> registration != null)
                .filter(registration -> kryo.getRegistration(registration.getType()) == registration)
                .count();

        assertThat(registered).isEqualTo(FROZEN.lines().count());
    }

    private static Kryo kryo() {
        Kryo kryo = new Kryo();
        kryo.setRegistrationRequired(true);
        MessageTable.register(
                kryo,
                new ActorRefSerializer(() -> {
                    throw new AssertionError("no actor in this test");
                }),
                new SourceRefSerializer(() -> {
                    throw new AssertionError("no stream in this test");
                }));
        return kryo;
    }

    private static String table(Kryo kryo) {
        return IntStream.range(FIRST_OWN_ID, BEYOND_LAST_ID)
                .mapToObj(kryo::getRegistration)
                .filter(registration -> registration != null)
                .map(MessageTableTest::line)
                .collect(Collectors.joining("\n"));
    }

    private static String line(Registration registration) {
        return registration.getId() + " " + registration.getType().getSimpleName();
    }
}
