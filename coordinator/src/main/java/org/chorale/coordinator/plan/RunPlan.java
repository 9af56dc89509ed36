// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.RunState.Checkpointing;
import org.chorale.coordinator.plan.RunState.Claiming;
import org.chorale.coordinator.plan.RunState.Committing;
import org.chorale.coordinator.plan.RunState.Describing;
import org.chorale.coordinator.plan.RunState.Ended;
import org.chorale.coordinator.plan.RunState.Evaluating;
import org.chorale.coordinator.plan.RunState.Exporting;
import org.chorale.coordinator.plan.RunState.Failing;
import org.chorale.coordinator.plan.RunState.Joining;
import org.chorale.coordinator.plan.RunState.Loading;
import org.chorale.coordinator.plan.RunState.Recalling;
import org.chorale.coordinator.plan.RunState.Training;
import org.chorale.coordinator.plan.RunState.UnderWay;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand.Evaluate;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;

/**
 * The story of a run, from the first worker that joins to the export: what each signal means in each stage. A pure
 * function: no actor, clock, file or network. {@code Coordinator} carries out what is decided here.
 *
 * <pre>
 * Joining > Claiming > Describing > Loading > Training > Evaluating > Checkpointing > Committing > Exporting > Ended
 *                                             ^                                              |
 *                                             +----------------------------------------------+
 * </pre>
 *
 * <p>Evaluation and checkpoint are left out at boundaries where they are not due. The evaluation of a step always comes
 * before its checkpoint: so a checkpoint says that everything up to its step was measured, and a resumed run repeats
 * nothing; and the best evaluation so far can be the reason for a checkpoint. Where the best checkpoint is to be
 * exported and is not the last, the worker loads it before, in a stage Recalling.
 */
public final class RunPlan {
    private static final int WORLD_SIZE = 1;

    private RunPlan() {}

    /** Where every run begins, a resumed one too. */
    public static RunState start(RunTerms terms) {
        return new Joining(terms);
    }

    /** What follows from one signal. News of another generation, or after the end, changes nothing. */
    public static Decision decide(RunState state, RunSignal signal) {
        if (state instanceof Ended || isStale(state, signal)) {
            return Decision.of(state);
        }
        if (state instanceof Failing failing) {
            return onMoreWhileFailing(failing, signal);
        } else if (signal instanceof RunSignal.StillWorking working) {
            return onStillWorking(state, working);
        }
        return signal instanceof RunSignal.Interruption interruption
                ? interrupt(state, interruption)
                : goOn(state, signal);
    }

    private static boolean isStale(RunState state, RunSignal signal) {
        return signal instanceof RunSignal.OfGeneration news && news.generation() != state.generation();
    }

    /** The way of a run where nothing goes wrong. */
    private static Decision goOn(RunState state, RunSignal signal) {
        if (signal instanceof RunSignal.WorkerJoined joined) {
            return onWorkerJoined(state, joined);
        } else if (state instanceof Claiming claiming && signal instanceof RunSignal.GenerationClaimed claimed) {
            return onGenerationClaimed(claiming, claimed);
        } else if (state instanceof Describing describing && signal instanceof RunSignal.ModelDescribed described) {
            return onDescribed(describing.with(described.outline()));
        } else if (state instanceof Describing describing && signal instanceof RunSignal.DataDescribed described) {
            return onDescribed(describing.with(described.facts()));
        } else if (state instanceof Loading loading && signal instanceof RunSignal.ShardReady ready) {
            return onShardReady(loading, ready);
        } else if (state instanceof Recalling recalling && signal instanceof RunSignal.CheckpointVerified verified) {
            return onCheckpointVerified(recalling, verified);
        } else if (state instanceof Recalling recalling && signal instanceof RunSignal.ShardReady ready) {
            return onShardRecalled(recalling, ready);
        } else if (state instanceof Training training && signal instanceof RunSignal.StepDone done) {
            return onStepDone(training, done.report());
        } else if (state instanceof Training training && signal instanceof RunSignal.SpanDone done) {
            return onSpanDone(training, done);
        } else if (state instanceof Evaluating evaluating && signal instanceof RunSignal.Evaluated evaluated) {
            return onEvaluated(evaluating, evaluated);
        } else if (state instanceof Checkpointing writing && signal instanceof RunSignal.ShardWritten written) {
            return onShardWritten(writing, written);
        } else if (state instanceof Committing committing && signal instanceof RunSignal.Committed committed) {
            return onCommitted(committing, committed);
        } else if (state instanceof Exporting exporting && signal instanceof RunSignal.ModelExported exported) {
            return onModelExported(exporting, exported);
        }
        return unexpected(state, signal.getClass().getSimpleName() + " was heard");
    }

    /** A stop, or one of the ways in which a run fails. */
    private static Decision interrupt(RunState state, RunSignal.Interruption signal) {
        if (signal instanceof RunSignal.StopRequested stop) {
            return onStopRequested(state, stop.reason());
        } else if (signal instanceof RunSignal.WorkerFailed failed) {
            return onWorkerFailed(state, failed.fault());
        } else if (signal instanceof RunSignal.FeedFailed failed) {
            return onFeedFailed(state, failed);
        } else if (signal instanceof RunSignal.WorkerLost) {
            return fail(state, FaultCode.WORKER_LOST, "the worker ended while the run waited for " + state.awaited());
        } else if (signal instanceof RunSignal.Silence silence) {
            return fail(
                    state,
                    FaultCode.TIMED_OUT,
                    "run.progress-timeout: for %d seconds the run waited in vain for %s"
                            .formatted(silence.length().toSeconds(), state.awaited()));
        } else if (signal instanceof RunSignal.EffectFailed failed) {
            return fail(state, failed.fault());
        }
        return unexpected(state, signal.getClass().getSimpleName() + " was heard");
    }

    /** The first worker gets the run; those that come later are not needed. */
    private static Decision onWorkerJoined(RunState state, RunSignal.WorkerJoined joined) {
        return state instanceof Joining
                ? Decision.of(new Claiming(state.terms(), joined.name()), new Effect.ClaimGeneration())
                : Decision.of(state);
    }

    private static Decision onGenerationClaimed(Claiming state, RunSignal.GenerationClaimed claimed) {
        Describing describing = new Describing(
                state.terms(),
                state.worker(),
                claimed.generation(),
                claimed.resume(),
                claimed.exported(),
                Optional.empty(),
                Optional.empty());
        return Decision.of(describing, new Effect.Describe(claimed.generation()));
    }

    /** Once model and data are both known it is clear whether they fit, how long the run is and who holds what. */
    private static Decision onDescribed(Describing state) {
        if (state.model().isEmpty() || state.data().isEmpty()) {
            return Decision.of(state);
        }
        ModelOutline model = state.model().get();
        DataFacts data = state.data().get();
        Optional<Fault> misfit = Fitness.misfit(state.terms(), model, data, state.resume());
        return misfit.isPresent() ? fail(state, misfit.get()) : load(state, model, data);
    }

    private static Decision load(Describing state, ModelOutline model, DataFacts data) {
        long totalSteps = state.terms().totalSteps(data);
        Progress progress = Progress.from(state.resume());
        if (state.terms().complete(state.step(), totalSteps, progress.standing()) && state.exported()) {
            String before = state.step() >= totalSteps ? "all %d steps were done before" : "it ended early, at step %d";
            return end(state, Outcome.FINISHED, before.formatted(state.step()));
        }
        Course course = new Course(
                state.terms(),
                state.worker(),
                state.generation(),
                state.resume(),
                data,
                totalSteps,
                ShardPlanner.plan(model, WORLD_SIZE),
                Fitness.parameters(model),
                0);
        return Decision.of(
                new Loading(course, progress),
                new Effect.RememberInputs(data.digest(), model.getConfigSha256()),
                new Effect.OpenMetrics(state.resume().map(ResumePoint::step)),
                new Effect.TakeShard(
                        state.generation(), course.plan(), state.resume().map(ResumePoint::folder), totalSteps));
    }

    /** Before the first step of all the untrained model is measured; a resumed run has that behind it. */
    private static Decision onShardReady(Loading state, RunSignal.ShardReady ready) {
        if (ready.step() != state.step()) {
            return unexpected(state, "the worker loaded step " + ready.step());
        }
        Loading loaded = new Loading(state.course().with(ready.checkpointBytes()), state.progress());
        Course course = loaded.course();
        Effect announce = new Effect.Announce(RunStarted.newBuilder()
                .setGeneration(course.generation())
                .setFromStep(state.step())
                .setUntilStep(course.totalSteps())
                .setParameters(course.parameters())
                .setExamples(course.data().examples())
                .setRowsSkipped(course.data().rowsSkipped())
                .setEvaluationExamples(course.data().evaluationExamples())
                .build());
        boolean measureFirst = course.resume().isEmpty() && course.evaluationDue(state.step());
        return after(announce, measureFirst ? evaluate(loaded) : goOnFromBoundary(loaded));
    }

    private static Decision onStepDone(Training state, StepReport report) {
        if (report.getStep() != state.step() + 1 || report.getStep() > state.until()) {
            return unexpected(state, "step " + report.getStep() + " was reported");
        }
        Training next = state.with(state.progress().after(report));
        Effect record = new Effect.RecordStep(report);
        return next.progress().skippedInARow() > state.terms().run().nonFiniteSteps()
                ? after(
                        record,
                        fail(next, Fitness.notFinite(report, next.progress().skippedInARow())))
                : Decision.of(next, record);
    }

    /** At a boundary: evaluate if due, then checkpoint if due, then go on. A stop does not skip an evaluation that is due. */
    private static Decision onSpanDone(Training state, RunSignal.SpanDone done) {
        boolean endedInTime = done.step() == state.until() || state.progress().stopping();
        if (done.step() != state.step() || !endedInTime) {
            return unexpected(state, "the span ended at step " + done.step());
        }
        boolean movedOn = state.step() > state.from(); // else it was measured when the span began
        return movedOn && state.course().evaluationDue(state.step()) ? evaluate(state) : checkpointIfDue(state);
    }

    private static Decision evaluate(UnderWay state) {
        return Decision.of(
                new Evaluating(state.course(), state.progress()),
                new Effect.Order(new Evaluate(state.generation(), state.step())));
    }

    private static Decision onEvaluated(Evaluating state, RunSignal.Evaluated evaluated) {
        EvaluationReport report = evaluated.report();
        if (report.getStep() != state.step()) {
            return unexpected(state, "an evaluation at step " + report.getStep() + " was reported");
        }
        Optional<Fault> incomparable = Fitness.incomparable(state.terms(), report);
        if (incomparable.isPresent()) {
            return fail(state, incomparable.get());
        }
        Progress compared =
                state.progress().after(report, state.terms().evaluation().metric());
        boolean best = compared.standing().isBest(state.step());
        return after(
                new Effect.RecordEvaluation(report.toBuilder().setBest(best).build()),
                checkpointIfDue(state.with(compared)));
    }

    private static Decision checkpointIfDue(UnderWay state) {
        return state.course().checkpointDue(state.progress())
                ? Decision.of(
                        new Checkpointing(state.course(), state.progress()),
                        new Effect.WriteCheckpoint(
                                state.generation(), state.step(), state.course().checkpointBytes()))
                : goOnFromBoundary(state);
    }

    private static Decision onShardWritten(Checkpointing state, RunSignal.ShardWritten written) {
        if (written.step() != state.step()) {
            return unexpected(state, "files of step " + written.step() + " were written");
        }
        Effect commit = new Effect.Commit(
                state.generation(),
                state.step(),
                state.progress().skippedInARow(),
                state.progress().standing(),
                List.of(written.file()));
        return Decision.of(new Committing(state.course(), state.progress()), commit);
    }

    private static Decision onCommitted(Committing state, RunSignal.Committed committed) {
        return committed.step() == state.step()
                ? goOnFromBoundary(state.with(state.progress().committed()))
                : unexpected(state, "a checkpoint of step " + committed.step() + " was committed");
    }

    /** Everything that was due at this step is done: stop, export, or grant the next span. */
    private static Decision goOnFromBoundary(UnderWay state) {
        Progress progress = state.progress();
        if (progress.stopReason().isPresent()) {
            return end(state, Outcome.STOPPED, progress.stopReason().get());
        } else if (state.course().complete(progress)) {
            return export(state);
        }
        long until = state.course().nextBoundary(progress.step());
        return Decision.of(
                new Training(state.course(), progress, progress.step(), until),
                new Effect.Order(new RunSteps(state.generation(), progress.step(), until)));
    }

    /** The worker holds the last step's weights; where others are the result, it loads them first. */
    private static Decision export(UnderWay state) {
        Course course = state.course();
        Optional<Long> step = course.exportedStep(state.progress());
        if (step.isEmpty()) {
            return fail(state, Fitness.noBest());
        }
        return step.get() == state.step()
                ? export(state, state.step())
                : Decision.of(
                        new Recalling(course, state.progress(), step.get(), false),
                        new Effect.VerifyCheckpoint(state.generation(), step.get()));
    }

    private static Decision export(UnderWay state, long step) {
        return Decision.of(
                new Exporting(state.course(), state.progress(), step), new Effect.Export(state.generation(), step));
    }

    private static Decision onCheckpointVerified(Recalling state, RunSignal.CheckpointVerified verified) {
        Course course = state.course();
        return Decision.of(
                new Recalling(course, state.progress(), state.bestStep(), true),
                new Effect.TakeShard(
                        state.generation(), course.plan(), Optional.of(verified.folder()), course.totalSteps()));
    }

    private static Decision onShardRecalled(Recalling state, RunSignal.ShardReady ready) {
        return ready.step() == state.bestStep()
                ? export(state, state.bestStep())
                : unexpected(state, "the worker loaded step " + ready.step());
    }

    private static Decision onModelExported(Exporting state, RunSignal.ModelExported exported) {
        return exported.step() == state.exported()
                ? end(state, Outcome.FINISHED, howItEnded(state))
                : unexpected(state, "an export of step " + exported.step() + " was reported");
    }

    private static String howItEnded(Exporting state) {
        String training = state.step() >= state.course().totalSteps()
                ? "all %d steps are done".formatted(state.step())
                : "%d evaluations in a row were not the best (evaluation.patience)"
                        .formatted(state.progress().standing().sinceBest());
        return state.exported() == state.step()
                ? training
                : training + "; the model of step %d is exported, the best".formatted(state.exported());
    }

    /** Whoever waits knows more than that it is not silent: how far an evaluation is. */
    private static Decision onStillWorking(RunState state, RunSignal.StillWorking working) {
        return state instanceof Evaluating evaluating
                ? Decision.of(
                        state,
                        new Effect.WaitOn(
                                working.done(), evaluating.course().data().evaluationExamples()))
                : Decision.of(state, new Effect.WaitOn(0, 0));
    }

    /** The data may be wrong as well, which the user would like to know at once. */
    private static Decision onWorkerFailed(RunState state, Fault fault) {
        return state instanceof Describing describing && describing.data().isEmpty()
                ? awaitMore(describing, fault)
                : fail(state, fault);
    }

    private static Decision onFeedFailed(RunState state, RunSignal.FeedFailed failed) {
        if (state instanceof Describing describing && describing.model().isEmpty()) {
            return awaitMore(describing, failed.fault());
        }
        return failed.feed().filter(feed -> !needs(state, feed)).isPresent()
                ? Decision.of(state)
                : fail(state, failed.fault());
    }

    private static Decision awaitMore(Describing state, Fault fault) {
        Failing failing = new Failing(state.terms(), state.generation(), state.step(), fault);
        return Decision.of(failing, new Effect.AwaitMore());
    }

    /** Whatever is heard, the run ends; where it is the other's fault, with both. That a failed worker ends is no news. */
    private static Decision onMoreWhileFailing(Failing state, RunSignal signal) {
        if (signal instanceof RunSignal.WorkerFailed failed) {
            return fail(state, Fitness.both(failed.fault(), state.fault()));
        } else if (signal instanceof RunSignal.FeedFailed failed) {
            return fail(state, Fitness.both(state.fault(), failed.fault()));
        }
        boolean noNews = signal instanceof RunSignal.WorkerLost
                || signal instanceof RunSignal.StillWorking
                || signal instanceof RunSignal.WorkerJoined;
        return noNews ? Decision.of(state) : fail(state, state.fault());
    }

    /** Before training there is nothing to save; later the work in hand is finished and committed first. */
    private static Decision onStopRequested(RunState state, String reason) {
        if (!(state instanceof UnderWay underWay) || state instanceof Loading) {
            return end(state, Outcome.STOPPED, reason);
        } else if (state instanceof Exporting
                || state instanceof Recalling
                || underWay.progress().stopping()) {
            return Decision.of(state);
        }
        UnderWay stopping = underWay.with(underWay.progress().stopping(reason));
        return state instanceof Training
                ? Decision.of(stopping, new Effect.Order(new StopSpan(state.generation())))
                : Decision.of(stopping);
    }

    /** Batches of training are made ahead, so that their feed may break where no step is left to need it. */
    private static boolean needs(RunState state, Feed feed) {
        return switch (feed) {
            case TRAIN ->
                !(state instanceof UnderWay underWay)
                        || !(underWay.progress().stopping() || underWay.course().complete(underWay.progress()));
            case EVALUATION -> state instanceof Evaluating;
        };
    }

    private static Decision unexpected(RunState state, String what) {
        return fail(state, FaultCode.INTERNAL, what + ", but the run waited for " + state.awaited());
    }

    private static Decision fail(RunState state, FaultCode code, String message) {
        return fail(state, new Fault(code, message));
    }

    /** Committed checkpoints stay as they are. A worker in a span must not go on alone. */
    private static Decision fail(RunState state, Fault fault) {
        Effect end = new Effect.End(Outcome.FAILED, state.step(), Optional.of(fault), fault.message());
        Ended ended = new Ended(state.terms(), state.generation(), state.step());
        return state instanceof Training
                ? Decision.of(ended, new Effect.Order(new StopSpan(state.generation())), end)
                : Decision.of(ended, end);
    }

    private static Decision end(RunState state, Outcome outcome, String message) {
        return Decision.of(
                new Ended(state.terms(), state.generation(), state.step()),
                new Effect.End(outcome, state.step(), Optional.empty(), message));
    }

    private static Decision after(Effect first, Decision decision) {
        List<Effect> effects = new ArrayList<>();
        effects.add(first);
        effects.addAll(decision.effects());
        return new Decision(decision.state(), effects);
    }
}
