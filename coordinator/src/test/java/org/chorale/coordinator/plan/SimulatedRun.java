// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.chorale.coordinator.plan.CheckpointSettings.Exported;
import org.chorale.proto.batch.Feed;
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
    private static final long BYTES = 4_000; // of a checkpoint
    private static final Fault LOST_FILE = new Fault(FaultCode.FILE_MISSING, "gone");

    private final Random random;
    private final RunTerms terms;
    private final DataFacts data;
    private final Set<Long> notFinite = new HashSet<>();
    private final Set<Long> overflowing = new HashSet<>(); // of those, where the loss scale adapts
    private final Map<Long, Double> heldOutLoss = new HashMap<>();
    private int mishapsLeft;
    private int events;

    // The disk: what every process finds.
    private final TreeMap<Long, Effect.Commit> checkpoints = new TreeMap<>();
    private List<String> metrics = new ArrayList<>();
    private Optional<Long> exported = Optional.empty();
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
                "checkpoint.keep = " + (1 + random.nextInt(2)),
                "evaluation.every = " + random.nextInt(4),
                compared(random.nextInt(4)));
        long heldOut = random.nextInt(2) * 3L;
        boolean needed = terms.checkpoint().keepBest() || terms.evaluation().patience() > 0;
        data = new DataFacts(12, 1 + random.nextInt(20), 0, needed ? 3 : heldOut, 100, "abc");
        mishapsLeft = random.nextInt(8);
        for (long step = 1; step <= total(); step++) {
            if (random.nextInt(8) == 0) {
                notFinite.add(step);
                if (random.nextInt(4) == 0) {
                    overflowing.add(step);
                }
            }
            heldOutLoss.put(step, random.nextInt(6) == 0 ? Double.NaN : random.nextDouble());
        }
        state = RunPlan.start(terms);
    }

    private static String compared(int kind) {
        return switch (kind) {
            case 0 -> "checkpoint.keep-best = true";
            case 1 -> "checkpoint { keep-best = true, export = best }";
            case 2 -> "checkpoint { keep-best = true, export = best }, evaluation.patience = 2";
            default -> "evaluation.patience = 0";
        };
    }

    private double loss(long step) {
        return heldOutLoss.getOrDefault(step, 0.0); // the untrained model's is the lowest, and does not count
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
        for (long step = 0; step <= lastStep(); step++) {
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

    /** The step whose model was exported. */
    Optional<Long> exported() {
        return exported;
    }

    /** The step whose model an undisturbed run exports; empty where it should be the best one's and there is none. */
    Optional<Long> resultingStep() {
        return terms.checkpoint().export() == Exported.LAST ? Optional.of(lastStep()) : bestUpTo(lastStep());
    }

    /** The last step of an undisturbed run, which may end early. */
    long lastStep() {
        int sinceBest = 0;
        for (long step = 1; step < total(); step++) {
            if (terms.evaluationFallsOn(step) && data.evaluationExamples() > 0) {
                sinceBest = bestUpTo(step).equals(Optional.of(step)) ? 0 : sinceBest + 1;
                if (terms.evaluation().patience() > 0
                        && sinceBest == terms.evaluation().patience()) {
                    return step;
                }
            }
        }
        return total();
    }

    /** The first of the lowest losses at the evaluations up to a step. */
    Optional<Long> bestUpTo(long last) {
        return LongStream.rangeClosed(1, last)
                .filter(step -> terms.evaluationFallsOn(step) || step == total())
                .filter(step -> data.evaluationExamples() > 0 && Double.isFinite(loss(step)))
                .boxed()
                .min(Comparator.comparingDouble(this::loss));
    }

    long newestCheckpoint() {
        return checkpoints.isEmpty() ? 0 : checkpoints.lastKey();
    }

    long total() {
        return terms.totalSteps(data);
    }

    /** Whether the steps up to and including this one are as many in a row as end a run. */
    boolean tooManyNotFinite(long step) {
        return notFiniteInARow(step) > terms.run().nonFiniteSteps();
    }

    /** Overflows neither count nor end a row. */
    private int notFiniteInARow(long until) {
        int row = 0;
        for (long step = until; notFinite.contains(step); step--) {
            row += overflowing.contains(step) ? 0 : 1;
        }
        return row;
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
                new RunSignal.WorkerFailed(other, new Fault(FaultCode.INTERNAL, "")),
                new RunSignal.FeedFailed(state.generation(), Optional.of(Feed.TRAIN), LOST_FILE),
                new RunSignal.FeedFailed(state.generation(), Optional.of(Feed.EVALUATION), LOST_FILE),
                new RunSignal.FeedFailed(state.generation(), Optional.empty(), LOST_FILE),
                new RunSignal.StillWorking(state.generation(), 1));
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
            workerSays.add(new RunSignal.ShardReady(take.generation(), weightsStep, BYTES));
        } else if (effect instanceof Effect.Order order) {
            order(order.command());
        } else if (effect instanceof Effect.RecordStep record) {
            assertThat(record.report().getStep()).isEqualTo(lastStepMeasured() + 1);
            metrics.add("step " + record.report().getStep());
        } else if (effect instanceof Effect.RecordEvaluation record) {
            assertThat(record.report().getStep()).isEqualTo(lastStepMeasured());
            metrics.add("eval " + record.report().getStep());
            if (record.report().getStep() > 0) {
                boolean best = bestUpTo(state.step()).equals(Optional.of(state.step()));
                assertThat(record.report().getBest()).as("the best so far").isEqualTo(best);
            }
        } else if (effect instanceof Effect.VerifyCheckpoint verify) {
            assertThat(checkpoints).as("the best one is kept").containsKey(verify.step());
            hostSays.add(new RunSignal.CheckpointVerified(verify.generation(), Long.toString(verify.step())));
        } else if (effect instanceof Effect.AwaitMore) {
            hostSays.add(new RunSignal.NothingMore());
        } else if (effect instanceof Effect.WriteCheckpoint write) {
            assertThat(write.bytes()).isEqualTo(BYTES);
            assertThat(write.step()).as("weights are those of the step").isEqualTo(weightsStep);
            ShardFile file = ShardFile.newBuilder().setBytes(write.step()).build();
            workerSays.add(new RunSignal.ShardWritten(write.generation(), write.step(), file));
        } else if (effect instanceof Effect.Commit commit) {
            commit(commit);
        } else if (effect instanceof Effect.Export export) {
            assertThat(checkpoints).as("only what is committed is exported").containsKey(export.step());
            assertThat(weightsStep).as("the worker holds what is exported").isEqualTo(export.step());
            exported = Optional.of(export.step());
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
                        checkpoints.lastEntry().getValue().skippedInARow(),
                        checkpoints.lastEntry().getValue().standing(),
                        Optional.of("abc"),
                        Optional.of("cfg")));
        hostSays.add(new RunSignal.GenerationClaimed(generations, resume, exported.isPresent()));
    }

    private void commit(Effect.Commit commit) {
        assertThat(commit.generation()).isEqualTo(generations);
        assertThat(commit.step())
                .as("checkpoints are at steps that are recorded")
                .isEqualTo(lastStepMeasured());
        assertThat(checkpoints).doesNotContainKey(commit.step());
        assertThat(commit.skippedInARow()).isEqualTo(notFiniteInARow(commit.step()));
        assertThat(commit.standing().best().map(EvaluationReport::getStep)).isEqualTo(bestUpTo(commit.step()));
        checkpoints.put(commit.step(), commit);
        prune(commit);
        hostSays.add(new RunSignal.Committed(commit.generation(), commit.step()));
    }

    private void prune(Effect.Commit commit) {
        Set<Long> kept = new HashSet<>(checkpoints.descendingKeySet().stream()
                .limit(terms.checkpoint().keep())
                .toList());
        if (terms.checkpoint().keepBest()) {
            commit.standing().best().map(EvaluationReport::getStep).ifPresent(kept::add);
        }
        checkpoints.keySet().retainAll(kept);
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
                EvaluationReport report = EvaluationReport.newBuilder()
                        .setStep(weightsStep)
                        .setLossNats(loss(weightsStep))
                        .build();
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
                        steps.generation(),
                        Runs.step(weightsStep, notFinite.contains(weightsStep)).toBuilder()
                                .setOverflow(overflowing.contains(weightsStep))
                                .build()));
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
