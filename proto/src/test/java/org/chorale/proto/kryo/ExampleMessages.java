// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.ColumnType;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.SourceCount;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.GroupKey;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.SubmitRun;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.proto.wire.UnitPlan;

/** At least one of each message, with unlike values in unlike fields. */
record ExampleMessages(
        ActorRef<CoordinatorCommand> coordinator,
        ActorRef<WorkerCommand> worker,
        ActorRef<FeederCommand> feeder,
        ActorRef<NodeCommand> node,
        ActorRef<RunsCommand> runs,
        ActorRef<ClientReply> client,
        SourceRef<ByteString> batches) {
    private static final String RUN_CONF = "run.seed = 42 # naïve ✓";
    private static final Fault FAULT = new Fault(FaultCode.DATA_MALFORMED, "train.jsonl:17: not an object");

    List<Record> all() {
        return List.of(
                new CoordinatorCommand.WorkerJoined("10.0.0.7:2550/1", 2, "node-1", "cpu", worker),
                new CoordinatorCommand.WorkerLost("10.0.0.7:2550/0", 3, "signal 9"),
                new CoordinatorCommand.WorkerUnavailable("10.0.0.7:2550/0", FAULT),
                new CoordinatorCommand.FeederJoined("10.0.0.7:2550", 2, "node-1", feeder),
                new CoordinatorCommand.FeederLost("10.0.0.7:2550", 3, "its node left"),
                new CoordinatorCommand.Abandoned(23, "10.0.0.7:2550/1", 2),
                new CoordinatorCommand.GroupKeyMade(26, key()),
                new CoordinatorCommand.ModelDescribed(1, outline()),
                new CoordinatorCommand.DataDescribed(2, 1, 4000, 1200, 3, 200, 512, "ab".repeat(32)),
                new CoordinatorCommand.ShardReady(3, 1, 100, 1L << 40, holding()),
                new CoordinatorCommand.StepDone(4, 2, stepReport()),
                new CoordinatorCommand.SpanDone(5, 3, Long.MAX_VALUE),
                new CoordinatorCommand.Evaluated(6, 3, evaluationReport()),
                new CoordinatorCommand.ShardWritten(7, 4, 300, shardFile()),
                new CoordinatorCommand.ModelExported(8, 1200),
                new CoordinatorCommand.WorkerFailed(9, -1, FAULT),
                new CoordinatorCommand.FeedFailed(10, FAULT),
                new CoordinatorCommand.StopRun("SIGINT"),
                new CoordinatorCommand.StillWorking(10, 300),
                new WorkerCommand.DescribeModel(11, RUN_CONF, coordinator),
                takeShard(Optional.of("/runs/a/checkpoints/step-000100")),
                takeShard(Optional.empty()),
                new WorkerCommand.JoinGroup(26, key()),
                new WorkerCommand.RunSteps(13, 100, 200),
                new WorkerCommand.StopSpan(14),
                new WorkerCommand.Evaluate(15, 200),
                new WorkerCommand.WriteShard(16, 200, "/runs/a/checkpoints/step-000200.tmp-16"),
                new WorkerCommand.ExportModel(17, 1200, "/runs/a/checkpoints/step-001200", "/runs/a/export"),
                new WorkerCommand.FeedOpened(18, Feed.TRAIN, 7, batches),
                new WorkerCommand.FeedRefused(19, Feed.EVALUATION, 8, FAULT),
                new WorkerCommand.Abandon(24),
                new WorkerCommand.Dismiss(),
                new FeederCommand.DescribeData(20, 1, RUN_CONF, coordinator),
                new FeederCommand.OpenFeed(21, Feed.EVALUATION, 9, 1, 8, 300, worker),
                new KeeperCommand.WorkerUp(25, worker),
                new NodeCommand.Accepted(runs),
                new NodeCommand.Refused(FAULT),
                new NodeCommand.Deferred("its clock is ahead by 7.0 seconds"),
                new NodeCommand.CheckRun(30, RUN_CONF),
                new NodeCommand.StartWorkers("a", RUN_CONF, "10.0.0.7:2550", List.of(0, 2, 3), coordinator),
                new NodeCommand.StartFeeder("a", RUN_CONF, "10.0.0.7:2550", coordinator),
                new NodeCommand.EndRun("a"),
                new RunsCommand.NodeJoined(
                        "10.0.0.7:2550",
                        "node-1",
                        List.of("worker"),
                        4,
                        List.of("NVIDIA H200", "NVIDIA H200", "NVIDIA L4"),
                        preflight(),
                        node),
                new RunsCommand.RunChecked(30, "10.0.0.7:2550", "ab".repeat(32), Optional.of(FAULT)),
                new RunsCommand.RunLeft("10.0.0.7:2550", "a"),
                new RunsCommand.Asked(request(), client));
    }

    /** A step's batch with two, three and no columns, so that every form of an immutable list travels. */
    static StepBatch batch() {
        Column tokens = Column.ofLongs(Batch.TOKENS, new long[] {1, 2, Long.MIN_VALUE, 4, 5, 6}, 2, 3);
        Column labels = Column.ofLongs(Batch.LABELS, new long[] {-100, 2, 3, 4, 5, -100}, 2, 3);
        Column mask = new Column("mask", ColumnType.U8, new long[] {2, 1}, new byte[] {0, -1});
        return new StepBatch(
                Feed.TRAIN,
                101,
                0.25,
                new long[] {7, 3_000_000_000L},
                6,
                1,
                List.of(new SourceCount(2, 6), new SourceCount(0, 0)),
                List.of(
                        new Batch(List.of(tokens, labels)),
                        new Batch(List.of(tokens, labels, mask)),
                        new Batch(List.of())),
                false);
    }

    private WorkerCommand.TakeShard takeShard(Optional<String> checkpoint) {
        return new WorkerCommand.TakeShard(
                12, 5, plan(), RUN_CONF, checkpoint, 1200, "/runs/a/rendezvous/12", feeder, coordinator);
    }

    private static GroupKey key() {
        byte[] bytes = new byte[GroupKey.BYTES];
        Arrays.fill(bytes, (byte) -7);
        return new GroupKey(bytes);
    }

    private static RankHolding holding() {
        return RankHolding.newBuilder()
                .setRank(1)
                .setParameterBytes(4096)
                .setGradientBytes(2048)
                .setOptimizerBytes(8192)
                .build();
    }

    private static RunsCommand.Preflight preflight() {
        return new RunsCommand.Preflight("0.1.0", "17.0.12", "ef".repeat(32), 1L << 36, 1_700_000_000_000L);
    }

    private static ClientRequest request() {
        return ClientRequest.newBuilder()
                .setProtocolVersion(1)
                .setSubmit(SubmitRun.newBuilder().setRunConf(RUN_CONF).setName("a"))
                .build();
    }

    private static ModelOutline outline() {
        ParameterOutline norm = ParameterOutline.newBuilder()
                .setName("model.norm.weight")
                .addShape(128)
                .setHeldDtype("BF16")
                .setTrainable(true)
                .build();
        return ModelOutline.newBuilder()
                .setFamily("llama")
                .setVocabulary(512)
                .addUnits(UnitOutline.newBuilder().setName("root").addParameters(norm))
                .build();
    }

    private static ShardPlan plan() {
        UnitPlan.Builder unit = UnitPlan.newBuilder().setName("root");
        unit.addGroupsBuilder().setDtype("F32").addSlices(RankSlice.newBuilder().setUntil(64));
        return ShardPlan.newBuilder().setWorldSize(1).addUnits(unit).build();
    }

    private static StepReport stepReport() {
        return StepReport.newBuilder()
                .setStep(101)
                .setLossNats(Double.NaN)
                .addSamples(7)
                .setSkipped(true)
                .putMetrics("cross-entropy", 0.5)
                .build();
    }

    private static EvaluationReport evaluationReport() {
        return EvaluationReport.newBuilder()
                .setStep(200)
                .setExact(181)
                .setJudged(200)
                .build();
    }

    private static ShardFile shardFile() {
        return ShardFile.newBuilder()
                .setRank(4)
                .setName("rank-00004.safetensors")
                .setSha256("cd".repeat(32))
                .build();
    }
}
