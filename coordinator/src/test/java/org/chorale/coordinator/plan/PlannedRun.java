// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.ShardPlan;

/** Plays a run to the plan, signal by signal, and keeps what follows from the last one. */
abstract class PlannedRun {
    static final long GENERATION = 3;
    static final long BYTES = 9_600; // of a checkpoint
    static final Fault ROW_7 = new Fault(FaultCode.DATA_MALFORMED, "row 7");
    static final Fault NO_MODEL = new Fault(FaultCode.FILE_MISSING, "no config.json");
    static final Fault DISK_FULL = new Fault(FaultCode.STORAGE_FAILED, "no space");

    static final Worker WORKER = new Worker(new WorkerId("node/0", 1), "host", "cpu");
    static final List<WorkerId> IDS = List.of(WORKER.id());
    static final Team TEAM = new Team(List.of(WORKER), List.of("node"));
    static final ShardPlan PLAN = ShardPlanner.plan(Runs.MODEL, Runs.terms().parallel());
    static final RankHolding HOLDING =
            RankHolding.newBuilder().setParameterBytes(6_400).build();

    RunState state = RunPlan.start(Runs.terms());
    List<Effect> effects = List.of();

    final void hear(RunSignal signal) {
        Decision decision = RunPlan.decide(state, signal);
        state = decision.state();
        effects = decision.effects();
    }

    /** The only worker and the only feeder. */
    final void join() {
        hear(new RunSignal.WorkerJoined(WORKER));
        hear(new RunSignal.FeederJoined("node", 1));
    }

    final void describe() {
        join();
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.empty(), false));
    }

    final void load() {
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA));
    }

    final void resume(ResumePoint point, boolean exported) {
        join();
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.of(point), exported));
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA));
    }

    /** Up to the first span. */
    final void train(String... settings) {
        state = RunPlan.start(Runs.terms(settings));
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        evaluated(0);
    }

    final void steps(long from, long until) {
        LongStream.rangeClosed(from + 1, until)
                .forEach(step -> hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(step, false))));
    }

    final void span(long from, long until) {
        steps(from, until);
        hear(new RunSignal.SpanDone(GENERATION, 0, until));
    }

    final void evaluated(long step) {
        evaluated(step, 1);
    }

    final void evaluated(long step, double lossNats) {
        evaluated(EvaluationReport.newBuilder().setStep(step).setLossNats(lossNats));
    }

    final void evaluated(EvaluationReport.Builder report) {
        hear(new RunSignal.Evaluated(GENERATION, 0, report.build()));
        assertThat(recorded().toBuilder().clearBest().build()).isEqualTo(report.build());
    }

    /** Evaluations of steps 2, 4 and 6, of which the first is the best. */
    final void worseAndWorse() {
        for (long step = 2; step <= 6; step += 2) {
            span(step - 2, step);
            evaluated(step, (double) step);
            if (step == 2 && effects.contains(new Effect.WriteCheckpoint(GENERATION, 2, BYTES, IDS))) {
                committed(2);
            }
        }
    }

    final EvaluationReport recorded() {
        assertThat(effects).first().isInstanceOf(Effect.RecordEvaluation.class);
        return ((Effect.RecordEvaluation) effects.get(0)).report();
    }

    final Standing standing() {
        return ((RunState.UnderWay) state).progress().standing();
    }

    @CanIgnoreReturnValue
    final Standing committed(long step) {
        hear(new RunSignal.ShardWritten(GENERATION, 0, step, ShardFile.getDefaultInstance()));
        assertThat(effects).singleElement().isInstanceOf(Effect.Commit.class);
        Standing standing = ((Effect.Commit) effects.get(0)).standing();
        hear(new RunSignal.Committed(GENERATION, step));
        return standing;
    }

    final List<WorkerCommand> orders() {
        List<WorkerCommand> orders = new ArrayList<>();
        for (Effect effect : effects) {
            if (effect instanceof Effect.Order order) {
                orders.add(order.command());
            }
        }
        return orders;
    }

    final Effect.End end() {
        assertThat(effects).last().isInstanceOf(Effect.End.class);
        return (Effect.End) effects.get(effects.size() - 1);
    }

    final Fault fault() {
        assertThat(end().outcome()).isEqualTo(Outcome.FAILED);
        return end().fault().orElseThrow();
    }
}
