// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;

/**
 * A run in a world of random order and random mishaps: a worker, a feeder and a disk that do what their real ones
 * promise, and checks after every event of what must always hold. A mishap ends the process; the disk stays, and the
 * next process starts from it.
 */
final class SimulatedRun {
    private static final int MAX_EVENTS = 20_000;

    private final Random random;
    private final RunTerms terms;
    private final DataFacts data;
    private final Set<Long> notFinite = new HashSet<>();
    private int mishapsLeft;
    private int events;

    // The disk: what every process finds.
    private final TreeMap<Long, Integer> checkpoints = new TreeMap<>(); // step -> skipped in a row
    private List<String> metrics = new ArrayList<>();
    private boolean exported;
    private long generations;

    // One process.
    private RunState state;
    private final Deque<WorkerCommand> inbox = new ArrayDeque<>();
    private final Deque<RunSignal> workerSays = new ArrayDeque<>();
    private final Deque<RunSignal> feederSays = new ArrayDeque<>();
    private final Deque<RunSignal> hostSays = new ArrayDeque<>();
    private final Set<Long> spansGranted = new HashSet<>();
    private Optional<WorkerCommand.RunSteps> span = Optional.empty();
    private boolean spanStopped;
    private long weightsStep;
    private Optional<Effect.End> end = Optional.empty();

    SimulatedRun(long seed) {
        random = new Random(seed);
        terms = Runs.terms(
                "run.epochs = " + (1 + random.nextInt(4)),
                "run.non-finite-steps = " + random.nextInt(3),
                "checkpoint.every = " + random.nextInt(5),
                "evaluation.every = " + random.nextInt(4));
        data = new DataFacts(1 + random.nextInt(12), 0, random.nextInt(2) * 3L, 100, "abc");
        mishapsLeft = random.nextInt(8);
        for (long step = 1; step <= total(); step++) {
            if (random.nextInt(8) == 0) {
                notFinite.add(step);
            }
        }
        state = RunPlan.start(terms);
    }

    /** Starts processes until the run is finished, or fails for good; returns how the last one ended. */
    Effect.End runToTheEnd() {
        while (true) {
            startProcess();
            while (end.isEmpty() && !dies()) {
                oneEvent();
            }
            if (end.isPresent() && isFinal(end.get())) {
                return end.get();
            }
        }
    }

    /** The metrics that a run without any mishap would have up to its last step. */
    List<String> undisturbedMetrics() {
        List<String> lines = new ArrayList<>();
        for (long step = 0; step <= total(); step++) {
            if (step > 0) {
                lines.add("step " + step);
            }
            boolean due = step == 0 || step == total() || terms.evaluationFallsOn(step);
            if (due && data.evaluationExamples() > 0) {
                lines.add("eval " + step);
            }
        }
        return lines;
    }

    List<String> metrics() {
        return metrics;
    }

    boolean exported() {
        return exported;
    }

    long newestCheckpoint() {
        return checkpoints.isEmpty() ? 0 : checkpoints.lastKey();
    }

    long total() {
        return terms.totalSteps(data.examples());
    }

    /** Whether the steps up to and including this one are as many in a row as end a run. */
    boolean tooManyNotFinite(long step) {
        for (long back = 0; back <= terms.run().nonFiniteSteps(); back++) {
            if (!notFinite.contains(step - back)) {
                return false;
            }
        }
        return true;
    }

    private static boolean isFinal(Effect.End end) {
        return end.outcome() == Outcome.FINISHED
                || end.fault()
                        .filter(fault -> fault.code() == FaultCode.NOT_FINITE)
                        .isPresent();
    }

    private void startProcess() {
        List.of(inbox, workerSays, feederSays, hostSays).forEach(Deque::clear);
        spansGranted.clear();
        span = Optional.empty();
        end = Optional.empty();
        state = RunPlan.start(terms);
        hostSays.add(new RunSignal.WorkerJoined("a"));
    }

    private boolean dies() {
        return mishap(400);
    }

    private boolean mishap(int oneIn) {
        boolean happens = mishapsLeft > 0 && random.nextInt(oneIn) == 0;
        mishapsLeft -= happens ? 1 : 0;
        return happens;
    }

    private void oneEvent() {
        assertThat(++events).as("events of a run").isLessThan(MAX_EVENTS);
        if (mishap(60)) {
            hear(nuisance());
            return;
        }
        List<Runnable> possible = new ArrayList<>();
        List.of(hostSays, workerSays, feederSays).stream()
                .filter(signals -> !signals.isEmpty())
                .forEach(signals -> possible.add(() -> hear(signals.remove())));
        if (!inbox.isEmpty() || span.isPresent()) {
            possible.add(this::workerActs);
        }
        assertThat(possible)
                .as("a run that waits for %s waits for someone who acts", state.awaited())
                .isNotEmpty();
        possible.get(random.nextInt(possible.size())).run();
    }

    private RunSignal nuisance() {
        long other = state.generation() + (random.nextBoolean() ? 1 : -1);
        List<RunSignal> all = List.of(
                new RunSignal.StopRequested("Ctrl-C"),
                new RunSignal.StopRequested("Ctrl-C"),
                new RunSignal.WorkerLost(),
                new RunSignal.Silence(Duration.ofMinutes(1)),
                new RunSignal.EffectFailed(new Fault(FaultCode.STORAGE_FAILED, "no space")),
                new RunSignal.WorkerFailed(state.generation(), new Fault(FaultCode.OUT_OF_MEMORY, "")),
                new RunSignal.WorkerJoined("b"),
                new RunSignal.StepDone(other, Runs.step(state.step() + 1, false)),
                new RunSignal.SpanDone(other, state.step()),
                new RunSignal.ShardWritten(other, state.step(), ShardFile.getDefaultInstance()),
                new RunSignal.WorkerFailed(other, new Fault(FaultCode.INTERNAL, "")));
        return all.get(random.nextInt(all.size()));
    }

    private void hear(RunSignal signal) {
        RunState before = state;
        Decision decision = RunPlan.decide(state, signal);
        state = decision.state();
        boolean stale = signal instanceof RunSignal.OfGeneration news && news.generation() != before.generation();
        if (stale) {
            assertThat(decision).isEqualTo(Decision.of(before));
        }
        for (Effect effect : decision.effects()) {
            carryOut(effect);
        }
        assertThat(state.awaited()).isNotBlank();
        assertThat(state instanceof RunState.Ended).isEqualTo(end.isPresent());
        assertThat(state.step()).isBetween(0L, total());
    }

    private void carryOut(Effect effect) {
        if (effect instanceof Effect.ClaimGeneration) {
            claim();
        } else if (effect instanceof Effect.Describe describe) {
            workerSays.add(new RunSignal.ModelDescribed(describe.generation(), Runs.MODEL));
            feederSays.add(new RunSignal.DataDescribed(describe.generation(), data));
        } else if (effect instanceof Effect.OpenMetrics open) {
            long kept = open.resumeStep().orElse(-1L);
            metrics = new ArrayList<>(
                    metrics.stream().filter(line -> stepOf(line) <= kept).toList());
        } else if (effect instanceof Effect.TakeShard take) {
            weightsStep = take.checkpoint().map(Long::parseLong).orElse(0L);
            workerSays.add(new RunSignal.ShardReady(take.generation(), weightsStep));
        } else if (effect instanceof Effect.Order order) {
            order(order.command());
        } else if (effect instanceof Effect.RecordStep record) {
            assertThat(record.report().getStep()).isEqualTo(lastStepMeasured() + 1);
            metrics.add("step " + record.report().getStep());
        } else if (effect instanceof Effect.RecordEvaluation record) {
            assertThat(record.report().getStep()).isEqualTo(lastStepMeasured());
            metrics.add("eval " + record.report().getStep());
        } else if (effect instanceof Effect.WriteCheckpoint write) {
            assertThat(write.step()).as("weights are those of the step").isEqualTo(weightsStep);
            ShardFile file = ShardFile.newBuilder().setBytes(write.step()).build();
            workerSays.add(new RunSignal.ShardWritten(write.generation(), write.step(), file));
        } else if (effect instanceof Effect.Commit commit) {
            commit(commit);
        } else if (effect instanceof Effect.Export export) {
            assertThat(checkpoints).as("only what is committed is exported").containsKey(export.step());
            exported = true;
            workerSays.add(new RunSignal.ModelExported(export.generation(), export.step()));
        } else if (effect instanceof Effect.End ending) {
            end = Optional.of(ending);
        }
    }

    private void claim() {
        generations++;
        Optional<ResumePoint> resume = checkpoints.isEmpty()
                ? Optional.empty()
                : Optional.of(new ResumePoint(
                        Long.toString(newestCheckpoint()),
                        newestCheckpoint(),
                        checkpoints.lastEntry().getValue(),
                        Optional.of("abc"),
                        Optional.of("cfg")));
        hostSays.add(new RunSignal.GenerationClaimed(generations, resume, exported));
    }

    private void commit(Effect.Commit commit) {
        assertThat(commit.generation()).isEqualTo(generations);
        assertThat(commit.step())
                .as("checkpoints are at steps that are recorded")
                .isEqualTo(lastStepMeasured());
        assertThat(checkpoints).doesNotContainKey(commit.step());
        long skipped = 0;
        while (notFinite.contains(commit.step() - skipped)) {
            skipped++;
        }
        assertThat((long) commit.skippedInARow()).isEqualTo(skipped);
        checkpoints.put(commit.step(), commit.skippedInARow());
        hostSays.add(new RunSignal.Committed(commit.generation(), commit.step()));
    }

    private void order(WorkerCommand command) {
        if (command instanceof WorkerCommand.RunSteps steps) {
            assertThat(spansGranted.add(steps.from())).as("span granted once").isTrue();
            assertThat(steps.from()).isEqualTo(lastStepMeasured());
            assertThat(steps.until()).isGreaterThan(steps.from());
        }
        inbox.add(command);
    }

    /** Takes an order, does a step, or ends its span; a stop is seen between steps only. */
    private void workerActs() {
        if (!inbox.isEmpty() && (span.isEmpty() || inbox.peek() instanceof WorkerCommand.StopSpan)) {
            WorkerCommand command = inbox.remove();
            if (command instanceof WorkerCommand.RunSteps steps) {
                assertThat(steps.from()).isEqualTo(weightsStep);
                span = Optional.of(steps);
                spanStopped = false;
            } else if (command instanceof WorkerCommand.StopSpan) {
                spanStopped = true;
            } else if (command instanceof WorkerCommand.Evaluate evaluate) {
                assertThat(evaluate.step()).isEqualTo(weightsStep);
                EvaluationReport report =
                        EvaluationReport.newBuilder().setStep(weightsStep).build();
                workerSays.add(new RunSignal.Evaluated(evaluate.generation(), report));
            }
        } else if (span.isPresent()) {
            WorkerCommand.RunSteps steps = span.get();
            if (spanStopped || weightsStep == steps.until()) {
                span = Optional.empty();
                workerSays.add(new RunSignal.SpanDone(steps.generation(), weightsStep));
            } else {
                weightsStep++;
                workerSays.add(new RunSignal.StepDone(
                        steps.generation(), Runs.step(weightsStep, notFinite.contains(weightsStep))));
            }
        }
    }

    private long lastStepMeasured() {
        return metrics.stream()
                .filter(line -> line.startsWith("step "))
                .mapToLong(SimulatedRun::stepOf)
                .max()
                .orElse(0);
    }

    private static long stepOf(String line) {
        return Long.parseLong(line.substring("step ".length()));
    }
}
