// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Serializer;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.typed.internal.adapter.ActorRefAdapter;
import org.apache.pekko.stream.impl.streamref.SourceRefImpl;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.ColumnType;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.SourceCount;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.batch.StepPart;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.GroupKey;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.StepReport;

/**
 * Every class that may travel, and its id. An id is never given to another class; a new one takes the next number of
 * its block. Kryo itself holds 0 to 9 for primitives and text.
 */
final class MessageTable {
    private static final int TEXT = 1;

    private MessageTable() {}

    static void register(Kryo kryo, ActorRefSerializer actorRefs, SourceRefSerializer sourceRefs) {
        plain(kryo, actorRefs);
        kryo.register(SourceRefImpl.class, sourceRefs, 16);
        enums(kryo);
        wire(kryo);
        parts(kryo);
        coordinator(kryo);
        worker(kryo);
        feeder(kryo);
        node(kryo);
        runs(kryo);
        record(kryo, KeeperCommand.WorkerUp.class, 500);
    }

    private static void plain(Kryo kryo, ActorRefSerializer actorRefs) {
        Serializer<?> lists = new BoundedSerializers.OfList();
        kryo.register(String.class, new BoundedSerializers.OfText(), TEXT);
        kryo.register(byte[].class, new BoundedSerializers.OfBytes(), 10);
        kryo.register(long[].class, new BoundedSerializers.OfLongs(), 11);
        kryo.register(Optional.class, 12);
        kryo.register(List.of().getClass(), lists, 13); // none, or three and more
        kryo.register(List.of(0).getClass(), lists, 14); // one or two
        kryo.register(ActorRefAdapter.class, actorRefs, 15);
    }

    private static void enums(Kryo kryo) {
        kryo.register(FaultCode.class, 20);
        kryo.register(ColumnType.class, 21);
        kryo.register(Feed.class, 22);
    }

    private static void wire(Kryo kryo) {
        wire(kryo, ModelOutline.class, ModelOutline.parser(), 30);
        wire(kryo, ShardPlan.class, ShardPlan.parser(), 31);
        wire(kryo, ShardFile.class, ShardFile.parser(), 32);
        wire(kryo, StepReport.class, StepReport.parser(), 33);
        wire(kryo, EvaluationReport.class, EvaluationReport.parser(), 34);
        wire(kryo, RankHolding.class, RankHolding.parser(), 35);
        wire(kryo, ClientRequest.class, ClientRequest.parser(), 36);
    }

    /** What messages are made of. */
    private static void parts(Kryo kryo) {
        record(kryo, Fault.class, 40);
        record(kryo, Column.class, 41);
        record(kryo, Batch.class, 42);
        record(kryo, StepBatch.class, 43);
        record(kryo, StepPart.class, 44);
        record(kryo, GroupKey.class, 45);
        record(kryo, SourceCount.class, 46);
    }

    private static void coordinator(Kryo kryo) {
        record(kryo, CoordinatorCommand.WorkerJoined.class, 100);
        record(kryo, CoordinatorCommand.ModelDescribed.class, 101);
        record(kryo, CoordinatorCommand.DataDescribed.class, 102);
        record(kryo, CoordinatorCommand.ShardReady.class, 103);
        record(kryo, CoordinatorCommand.StepDone.class, 104);
        record(kryo, CoordinatorCommand.SpanDone.class, 105);
        record(kryo, CoordinatorCommand.Evaluated.class, 106);
        record(kryo, CoordinatorCommand.ShardWritten.class, 107);
        record(kryo, CoordinatorCommand.ModelExported.class, 108);
        record(kryo, CoordinatorCommand.WorkerFailed.class, 109);
        record(kryo, CoordinatorCommand.FeedFailed.class, 110);
        record(kryo, CoordinatorCommand.StopRun.class, 111);
        record(kryo, CoordinatorCommand.StillWorking.class, 112);
        record(kryo, CoordinatorCommand.WorkerLost.class, 113);
        record(kryo, CoordinatorCommand.WorkerUnavailable.class, 114);
        record(kryo, CoordinatorCommand.FeederJoined.class, 115);
        record(kryo, CoordinatorCommand.FeederLost.class, 116);
        record(kryo, CoordinatorCommand.Abandoned.class, 117);
        record(kryo, CoordinatorCommand.GroupKeyMade.class, 118);
    }

    private static void worker(Kryo kryo) {
        record(kryo, WorkerCommand.DescribeModel.class, 200);
        record(kryo, WorkerCommand.TakeShard.class, 201);
        record(kryo, WorkerCommand.RunSteps.class, 202);
        record(kryo, WorkerCommand.StopSpan.class, 203);
        record(kryo, WorkerCommand.Evaluate.class, 204);
        record(kryo, WorkerCommand.WriteShard.class, 205);
        record(kryo, WorkerCommand.ExportModel.class, 206);
        record(kryo, WorkerCommand.FeedOpened.class, 207);
        record(kryo, WorkerCommand.FeedRefused.class, 208);
        record(kryo, WorkerCommand.Abandon.class, 209);
        record(kryo, WorkerCommand.Dismiss.class, 210);
        record(kryo, WorkerCommand.JoinGroup.class, 211);
    }

    private static void feeder(Kryo kryo) {
        record(kryo, FeederCommand.DescribeData.class, 300);
        record(kryo, FeederCommand.OpenFeed.class, 301);
    }

    private static void node(Kryo kryo) {
        record(kryo, NodeCommand.Accepted.class, 400);
        record(kryo, NodeCommand.Refused.class, 401);
        record(kryo, NodeCommand.CheckRun.class, 402);
        record(kryo, NodeCommand.StartWorkers.class, 403);
        record(kryo, NodeCommand.StartFeeder.class, 404);
        record(kryo, NodeCommand.EndRun.class, 405);
        record(kryo, NodeCommand.Deferred.class, 406);
    }

    private static void runs(Kryo kryo) {
        record(kryo, RunsCommand.NodeJoined.class, 450);
        record(kryo, RunsCommand.Preflight.class, 451);
        record(kryo, RunsCommand.RunChecked.class, 452);
        record(kryo, RunsCommand.RunLeft.class, 453);
        record(kryo, RunsCommand.Asked.class, 454);
    }

    private static void record(Kryo kryo, Class<? extends Record> type, int id) {
        kryo.register(type, new RecordSerializer(type), id);
    }

    private static <M extends Message> void wire(Kryo kryo, Class<M> type, Parser<M> parser, int id) {
        kryo.register(type, new BoundedSerializers.OfWire(parser), id);
    }
}
