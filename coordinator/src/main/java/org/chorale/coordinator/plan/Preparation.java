// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.RunState.Describing;
import org.chorale.coordinator.plan.RunState.Loading;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;

/** From a generation that has formed to shards that are loaded. */
final class Preparation {
    private Preparation() {}

    /**
     * Asks for what is not known from an earlier generation. Of several feeders the first makes the index on the disk;
     * the others, who find it there, are asked when it is done.
     */
    static Decision describe(Describing state) {
        List<Effect> questions = new ArrayList<>();
        if (state.footing().knowledge().model().isEmpty()) {
            questions.add(new Effect.DescribeModel(
                    state.generation(), state.team().ids().get(0)));
        }
        List<String> undescribed = state.undescribed();
        boolean indexed = !state.footing().knowledge().data().isEmpty();
        questions.addAll(describeData(state, undescribed.subList(0, indexed ? undescribed.size() : 1)));
        return questions.isEmpty() ? load(state) : new Decision(state, questions);
    }

    private static List<Effect> describeData(Describing state, List<String> feeders) {
        return feeders.stream()
                .<Effect>map(feeder -> new Effect.DescribeData(
                        state.generation(), state.team().feeders().indexOf(feeder), feeder))
                .toList();
    }

    static Decision onModelDescribed(Describing state, RunSignal.ModelDescribed described) {
        return loadOnceAllIsKnown(state.with(state.footing().knowledge().with(described.outline())));
    }

    static Decision onDataDescribed(Describing state, RunSignal.DataDescribed described) {
        List<String> feeders = state.team().feeders();
        if (described.feeder() < 0 || described.feeder() >= feeders.size()) {
            return Ending.unexpected(state, "feeder %d described the data".formatted(described.feeder()));
        }
        Knowledge before = state.footing().knowledge();
        Describing next = state.with(before.with(feeders.get(described.feeder()), described.facts()));
        return before.data().isEmpty() && !next.undescribed().isEmpty()
                ? new Decision(next, describeData(next, next.undescribed()))
                : loadOnceAllIsKnown(next);
    }

    /** Once model and data are both known it is clear whether they fit, how long the run is and who holds what. */
    private static Decision loadOnceAllIsKnown(Describing state) {
        boolean known = state.footing().knowledge().model().isPresent()
                && state.undescribed().isEmpty();
        return known ? load(state) : Decision.of(state);
    }

    private static Decision load(Describing state) {
        ModelOutline model = state.footing().knowledge().model().orElseThrow();
        DataFacts data =
                state.footing().knowledge().dataOf(state.team().feeders().get(0));
        Optional<Fault> misfit = Fitness.unlikeData(state.footing().knowledge().data())
                .or(() -> Fitness.misfit(state.terms(), model, data, state.resume()));
        long totalSteps = state.terms().totalSteps(data);
        Progress progress = Progress.from(state.resume());
        if (misfit.isPresent()) {
            return Ending.fail(state, misfit.get());
        } else if (state.terms().complete(state.step(), totalSteps, progress.standing()) && state.exported()) {
            String before = state.step() >= totalSteps ? "all %d steps were done before" : "it ended early, at step %d";
            return Ending.end(state, state.step(), Outcome.FINISHED, before.formatted(state.step()));
        }
        Course course = new Course(
                state.terms(),
                state.team(),
                state.generation(),
                state.resume(),
                data,
                totalSteps,
                ShardPlanner.plan(model, state.terms().parallel()),
                Fitness.parameters(model),
                0);
        return Decision.of(
                new Loading(
                        new Leg(state.footing(), course, progress),
                        Answers.of(state.team().ranks())),
                new Effect.RememberInputs(data.digest(), model.getConfigSha256()),
                new Effect.OpenMetrics(state.resume().map(ResumePoint::step)),
                new Effect.TakeShard(
                        state.generation(),
                        state.team(),
                        course.plan(),
                        state.resume().map(ResumePoint::folder),
                        totalSteps));
    }

    /** Before the first step of all the untrained model is measured; a resumed run has that behind it. */
    static Decision onShardReady(Loading state, RunSignal.ShardReady ready) {
        if (ready.step() != state.step() || !state.ready().lacks(ready.rank())) {
            return Ending.unexpected(state, "rank %d loaded step %d".formatted(ready.rank(), ready.step()));
        }
        Answers<RunSignal.ShardReady> all = state.ready().with(ready.rank(), ready);
        if (!all.complete()) {
            return Decision.of(new Loading(state.leg(), all));
        }
        long checkpointBytes = state.leg().writers().stream()
                .mapToLong(rank -> all.inOrder().get(rank).checkpointBytes())
                .reduce(0, Math::addExact);
        Loading loaded = new Loading(state.leg().with(state.course().with(checkpointBytes)), all);
        boolean measureFirst =
                state.course().resume().isEmpty() && state.course().evaluationDue(state.step());
        Decision next = measureFirst ? Boundaries.evaluate(loaded) : Boundaries.goOn(loaded);
        return next.after(new Effect.Announce(started(loaded)));
    }

    private static RunEvent started(Loading state) {
        Course course = state.course();
        RunStarted.Builder started = RunStarted.newBuilder()
                .setGeneration(state.generation())
                .setFromStep(state.step())
                .setUntilStep(course.totalSteps())
                .setParameters(course.parameters())
                .setExamples(course.data().examples())
                .setRowsSkipped(course.data().rowsSkipped())
                .setEvaluationExamples(course.data().evaluationExamples())
                .setWorldSize(state.team().size());
        state.ready().inOrder().forEach(ready -> started.addHoldings(holding(state.team(), ready)));
        return RunEvent.newBuilder().setStarted(started).build();
    }

    private static RankHolding holding(Team team, RunSignal.ShardReady ready) {
        String place = team.ids().get(ready.rank()).place();
        return ready.holding().toBuilder()
                .setRank(ready.rank())
                .setWorker(place)
                .build();
    }
}
