// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.jspecify.annotations.Nullable;

/**
 * The process of a worker, which does what the real one promises: it hears a stop and an abandonment at any time, does all
 * other work in order, steps together with its peers, and says each thing once, in order.
 */
final class SimulatedWorker {
    /** What a run's numbers are, whoever computes them. */
    interface Model {
        StepReport step(long step, int rank, int worldSize);

        EvaluationReport evaluation(long step);

        /** Whether the batch of a step cannot be made for a rank. */
        boolean isBroken(long step, int rank);
    }

    static final long BYTES_A_RANK = 1_000; // of a checkpoint
    static final Fault BROKEN_ROW = new Fault(FaultCode.DATA_MALFORMED, "row 7");

    final Worker worker;
    final Deque<RunSignal> says = new ArrayDeque<>();
    private final Model model;
    private final Deque<Object> inbox = new ArrayDeque<>(); // commands, and TakeShard as its effect
    private final Deque<Runnable> work = new ArrayDeque<>();
    private boolean alive = true;
    private @Nullable SimulatedGroup group;
    private int rank = -1;
    private long weightsStep;
    private Optional<WorkerCommand.RunSteps> span = Optional.empty();
    private boolean toldToStop;
    private boolean arrived; // at the step after weightsStep
    private boolean complained;
    private Optional<WorkerCommand.Abandon> leaving = Optional.empty();

    SimulatedWorker(Worker worker, Model model) {
        this.worker = worker;
        this.model = model;
        says.add(new RunSignal.WorkerJoined(worker));
    }

    boolean isAlive() {
        return alive;
    }

    boolean isIn(SimulatedGroup of) {
        return alive && group == of;
    }

    /** Whether it has a shard of a generation before this one. */
    boolean isBehind(long generation) {
        return alive && group != null && group.generation < generation;
    }

    boolean isInSpan() {
        return alive && span.isPresent();
    }

    long generation() {
        return group == null ? 0 : group.generation;
    }

    void die() {
        alive = false;
    }

    void tell(WorkerCommand command) {
        inbox.add(command);
    }

    void tell(Effect.TakeShard take, int ownRank, SimulatedGroup of) {
        inbox.add((Runnable) () -> load(take, ownRank, of));
    }

    void describe(long generation) {
        inbox.add((Runnable) () -> says.add(new RunSignal.ModelDescribed(generation, Runs.MODEL)));
    }

    /** What it can do next, each on its own. */
    List<Runnable> possible() {
        List<Runnable> all = new ArrayList<>();
        if (alive && !inbox.isEmpty()) {
            all.add(this::hear);
        }
        if (alive && leaving.isPresent()) {
            all.add(this::leave);
        } else if (alive && span.isEmpty() && !work.isEmpty()) {
            all.add(() -> work.remove().run());
        }
        if (alive && span.isPresent() && group != null) {
            long step = weightsStep + 1;
            if (!arrived && model.isBroken(step, rank)) {
                all.addAll(complained ? List.of() : List.of(this::lackBatch));
            } else if (!arrived) {
                all.add(this::arrive);
            } else if (group.isDone(step)) {
                all.add(this::finishStep);
            } else if (group.isBroken() && !complained) {
                all.add(this::complain);
            }
        }
        return all;
    }

    private void hear() {
        Object message = inbox.remove();
        if (message instanceof WorkerCommand.Abandon abandon) {
            work.clear();
            span = Optional.empty();
            leaving = Optional.of(abandon);
        } else if (message instanceof WorkerCommand.StopSpan) {
            toldToStop = true;
        } else {
            work.add(message instanceof Runnable other ? other : () -> obey((WorkerCommand) message));
        }
    }

    /** Its shard has ended, and a fresh one does what was asked for meanwhile. */
    private void leave() {
        group = null;
        says.add(new RunSignal.Abandoned(leaving.orElseThrow().generation(), worker.id()));
        leaving = Optional.empty();
    }

    private void load(Effect.TakeShard take, int ownRank, SimulatedGroup of) {
        group = of;
        rank = ownRank;
        weightsStep = take.checkpoint().map(Long::parseLong).orElse(0L);
        toldToStop = false;
        complained = false;
        says.add(new RunSignal.ShardReady(
                take.generation(), rank, weightsStep, BYTES_A_RANK, RankHolding.getDefaultInstance()));
    }

    private void obey(WorkerCommand command) {
        if (command instanceof WorkerCommand.RunSteps steps) {
            assertThat(steps.generation()).isEqualTo(generation());
            assertThat(steps.from()).isEqualTo(weightsStep);
            span = Optional.of(steps);
            arrived = false;
        } else if (command instanceof WorkerCommand.Evaluate evaluate) {
            assertThat(evaluate.step()).isEqualTo(weightsStep);
            says.add(new RunSignal.Evaluated(evaluate.generation(), rank, model.evaluation(weightsStep)));
        } else if (command instanceof WorkerCommand.WriteShard write) {
            assertThat(write.step()).as("weights are those of the step").isEqualTo(weightsStep);
            ShardFile file = ShardFile.newBuilder().setRank(rank).build();
            says.add(new RunSignal.ShardWritten(write.generation(), rank, write.step(), file));
        } else if (command instanceof WorkerCommand.ExportModel export) {
            says.add(new RunSignal.ModelExported(export.generation(), export.step()));
        } else {
            throw new AssertionError(command + " was told");
        }
    }

    private void arrive() {
        arrived = true;
        group().arrive(weightsStep + 1, rank, toldToStop);
    }

    private void finishStep() {
        WorkerCommand.RunSteps steps = span.orElseThrow();
        weightsStep++;
        arrived = false;
        report(steps.generation(), model.step(weightsStep, rank, group().worldSize));
        if (weightsStep == steps.until() || group().endsAfter(weightsStep)) {
            span = Optional.empty();
            toldToStop = false;
            says.add(new RunSignal.SpanDone(steps.generation(), rank, weightsStep));
        }
    }

    /** Every other rank does so in two pieces. */
    private void report(long generation, StepReport report) {
        if (rank % 2 == 1) {
            StepReport first = StepReport.newBuilder()
                    .setStep(report.getStep())
                    .setSamplesToCome(report.getSamplesCount())
                    .build();
            says.add(new RunSignal.StepDone(generation, rank, first));
        }
        says.add(new RunSignal.StepDone(generation, rank, report));
    }

    private void lackBatch() {
        complained = true;
        says.add(new RunSignal.FeedFailed(generation(), BROKEN_ROW));
    }

    private void complain() {
        complained = true;
        Fault fault = new Fault(FaultCode.PEER_LOST, "an all-reduce could not be finished");
        says.add(new RunSignal.WorkerFailed(generation(), rank, fault));
    }

    private SimulatedGroup group() {
        return Objects.requireNonNull(group);
    }
}
