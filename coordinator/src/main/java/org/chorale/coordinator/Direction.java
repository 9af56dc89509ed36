// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.Effect;
import org.chorale.coordinator.plan.RunSignal;
import org.chorale.coordinator.plan.Team;
import org.chorale.coordinator.plan.WorkerId;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.RunEvent;

/**
 * Carries out at once what a plan decides: orders to workers and feeders, lines and checkpoints in the run directory, and
 * news for the listener. What takes its time, or needs a timer, is the {@link Coordinator}'s.
 */
final class Direction {
    private final String runConf;
    private final RunDirectory directory;
    private final RunRecords records;
    private final Roster roster;
    private final ActorRef<RunEvent> listener;
    private final ActorRef<CoordinatorCommand> self;

    Direction(
            String runConf,
            RunDirectory directory,
            RunRecords records,
            Roster roster,
            ActorRef<RunEvent> listener,
            ActorRef<CoordinatorCommand> self) {
        this.runConf = runConf;
        this.directory = directory;
        this.records = records;
        this.roster = roster;
        this.listener = listener;
        this.self = self;
    }

    /** What an effect gives rise to at once, if anything. */
    Optional<RunSignal> carryOut(Effect effect) {
        if (effect instanceof Effect.Commit commit) {
            return Optional.of(commit(commit));
        } else if (effect instanceof Effect.DescribeModel describe) {
            tell(describe.worker(), new WorkerCommand.DescribeModel(describe.generation(), runConf, self));
        } else if (effect instanceof Effect.DescribeData describe) {
            roster.feeder(describe.feeder())
                    .tell(new FeederCommand.DescribeData(describe.generation(), describe.number(), runConf, self));
        } else if (effect instanceof Effect.RememberInputs remember) {
            directory.rememberInputs(remember.dataDigest(), remember.configDigest());
        } else if (effect instanceof Effect.OpenMetrics open) {
            records.openMetrics(open);
        } else if (effect instanceof Effect.TakeShard take) {
            takeShard(take);
        } else if (effect instanceof Effect.Order order) {
            order.workers().forEach(worker -> tell(worker, order.command()));
        } else if (effect instanceof Effect.Announce announce) {
            listener.tell(announce.event());
        } else if (effect instanceof Effect.RecordStep record) {
            records.metrics().append(record.report());
            listener.tell(RunEvent.newBuilder().setStep(record.report()).build());
        } else if (effect instanceof Effect.RecordEvaluation record) {
            records.metrics().append(record.report());
            listener.tell(RunEvent.newBuilder().setEvaluation(record.report()).build());
        } else if (effect instanceof Effect.WriteCheckpoint write) {
            writeCheckpoint(write);
        } else if (effect instanceof Effect.Export export) {
            export(export);
        } else {
            throw new IllegalStateException("nobody carries out " + effect);
        }
        return Optional.empty();
    }

    private void takeShard(Effect.TakeShard take) {
        String rendezvous = directory.beginRendezvous(take.generation()).toString();
        Team team = take.team();
        for (int rank = 0; rank < team.size(); rank++) {
            tell(
                    team.workers().get(rank).id(),
                    new WorkerCommand.TakeShard(
                            take.generation(),
                            rank,
                            take.plan(),
                            runConf,
                            take.checkpoint(),
                            take.totalSteps(),
                            rendezvous,
                            roster.feeder(team.feederOf(rank)),
                            self));
        }
    }

    /** What rank 0 has made goes to all others. */
    void passOn(CoordinatorCommand.GroupKeyMade made, Team team) {
        WorkerCommand invitation = new WorkerCommand.JoinGroup(made.generation(), made.key());
        team.workers().stream().skip(1).forEach(worker -> tell(worker.id(), invitation));
    }

    private void writeCheckpoint(Effect.WriteCheckpoint write) {
        String folder = directory
                .beginCheckpoint(write.step(), write.generation(), write.bytes())
                .toString();
        WorkerCommand order = new WorkerCommand.WriteShard(write.generation(), write.step(), folder);
        write.workers().forEach(worker -> tell(worker, order));
    }

    private RunSignal commit(Effect.Commit commit) {
        Checkpoint checkpoint = records.commit(commit);
        CheckpointCommitted event = CheckpointCommitted.newBuilder()
                .setStep(commit.step())
                .setPath(checkpoint.folder().toString())
                .setBytes(checkpoint.bytes())
                .setBest(commit.standing().isBest(commit.step()))
                .build();
        listener.tell(RunEvent.newBuilder().setCheckpoint(event).build());
        return new RunSignal.Committed(commit.generation(), commit.step());
    }

    private void export(Effect.Export export) {
        directory.discardExport();
        tell(
                export.worker(),
                new WorkerCommand.ExportModel(
                        export.generation(),
                        export.step(),
                        directory.checkpoints().folder(export.step()).toString(),
                        directory.exportFolder().toString()));
    }

    private void tell(WorkerId worker, WorkerCommand command) {
        roster.worker(worker).tell(command);
    }
}
