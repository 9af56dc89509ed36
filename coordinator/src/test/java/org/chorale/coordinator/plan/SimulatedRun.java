// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;

/**
 * A run in a world of random order and random mishaps: workers, feeders, nodes and a disk that do what their real ones
 * promise. Workers die at any moment, whatever they are doing; their nodes start others in their places, and tell of it
 * late, twice, and after the others have joined, or give a place up, instead of which a cluster has another; peers complain,
 * or do not; feeders go and come like workers; a row of a step cannot be read; people ask for a stop; and the coordinator's
 * process dies with all its workers, to be started again on the same disk.
 *
 * <p>After every event is checked what must always hold:
 *
 * <ul>
 *   <li>Never do two generations train at once: when shards of a generation are given out, nobody has one of another.
 *   <li>No generation forms twice, and no span is granted twice in one.
 *   <li>No step is committed twice, by whichever process and generation; what is committed was recorded.
 *   <li>Steps are recorded one after the other, each with the samples of all ranks in order.
 *   <li>Orders go to workers that are there, as far as the plan can know.
 *   <li>News of another generation, and of a worker or feeder that is known to have ended, changes nothing.
 *   <li>A place that is given up is replaced once, and never used again.
 *   <li>A run that has not ended says what it waits for, and there is someone who will act.
 *   <li>Nothing that can happen is taken for a bug.
 *   <li>Recoveries in a row that bring the run no further are at most as many as are allowed.
 * </ul>
 */
final class SimulatedRun {
    private static final int MAX_EVENTS = 100_000;
    private static final String SPARE =
            "node-0/9"; // the place of a worker too many, which comes with a feeder too many
    private static final Fault NO_LIFE = new Fault(FaultCode.WORKER_LOST, "ended three times before it joined");
    private static final Fault LOST_FILE = new Fault(FaultCode.FILE_MISSING, "gone");

    /** A feeder, which says each thing once, in order. */
    private record Feeder(int incarnation, Deque<RunSignal> says) {}

    private final Random random;
    private final SimulatedFate fate;
    private final SimulatedDisk disk;
    private final boolean inCluster;
    private int mishapsLeft;
    private int events;
    private int recoveries;

    // One process of the coordinator, and those of its workers.
    private RunState state;
    private final TreeMap<String, SimulatedWorker> workers = new TreeMap<>(); // the newest in each place
    private final List<Deque<RunSignal>> channels = new ArrayList<>(); // each in order
    private final List<RunSignal> strays = new ArrayList<>(); // in no order at all
    private Deque<RunSignal> hostSays = new ArrayDeque<>();
    private final TreeMap<String, Feeder> feeders = new TreeMap<>(); // the newest in each place
    private final Set<Feeder> opened = Collections.newSetFromMap(new IdentityHashMap<>()); // they know the data
    private final Set<String> givenUp = new HashSet<>(); // places
    private final Set<Long> formed = new HashSet<>();
    private final Set<String> granted = new HashSet<>();
    private int recoveriesInARow;
    private long furthest;
    private Optional<Effect.End> end = Optional.empty();

    SimulatedRun(long seed) {
        random = new Random(seed);
        fate = new SimulatedFate(random);
        disk = new SimulatedDisk(fate.terms.checkpoint());
        mishapsLeft = random.nextInt(12);
        inCluster = random.nextBoolean();
        state = RunPlan.start(fate.terms);
    }

    SimulatedFate fate() {
        return fate;
    }

    SimulatedDisk disk() {
        return disk;
    }

    /** Recoveries that were begun, by all processes. */
    int recoveries() {
        return recoveries;
    }

    /** Starts processes until the run is finished, or fails for good; returns how the last one ended. */
    Effect.End runToTheEnd() {
        while (true) {
            startProcess();
            while (end.isEmpty() && !mishap(600)) {
                oneEvent();
            }
            if (end.isPresent() && isFinal(end.get())) {
                return end.get();
            }
        }
    }

    private static boolean isFinal(Effect.End end) {
        return end.outcome() == Outcome.FINISHED
                || end.fault()
                        .filter(fault ->
                                fault.code() == FaultCode.NOT_FINITE || fault.equals(SimulatedWorker.BROKEN_ROW))
                        .isPresent();
    }

    private void startProcess() {
        List.of(channels, strays, formed, granted, givenUp, opened).forEach(Collection::clear);
        workers.clear();
        feeders.clear();
        hostSays = channel();
        recoveriesInARow = 0;
        furthest = 0;
        end = Optional.empty();
        state = inCluster ? RunPlan.startInCluster(fate.terms) : RunPlan.start(fate.terms);
        for (int slot = 0; slot < fate.terms.parallel().workers(); slot++) {
            start("node-%d/%d".formatted(slot % 2, slot / 2), 1);
        }
        for (int feeder = 0; feeder < fate.terms.parallel().feeders(); feeder++) {
            startFeeder("node-" + feeder, 1);
        }
    }

    private Deque<RunSignal> channel() {
        Deque<RunSignal> channel = new ArrayDeque<>();
        channels.add(channel);
        return channel;
    }

    private void start(String place, int incarnation) {
        SimulatedWorker worker = new SimulatedWorker(new Worker(new WorkerId(place, incarnation), "host", "cpu"), fate);
        workers.put(place, worker);
        channels.add(worker.says);
    }

    private void startFeeder(String place, int incarnation) {
        Feeder feeder = new Feeder(incarnation, channel());
        feeder.says().add(new RunSignal.FeederJoined(place, incarnation));
        feeders.put(place, feeder);
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
        } else if (state.step() == fate.lastReadableStep() && mishap(8)) {
            hear(new RunSignal.StopRequested("before it is told"));
            return;
        } else if (mishap(40)) {
            killOne();
            return;
        } else if (mishap(200)) {
            loseFeeder();
            return;
        } else if (!workers.containsKey(SPARE) && mishap(300)) {
            start(SPARE, 1);
            startFeeder("node-9", 1);
            return;
        }
        List<Runnable> possible = new ArrayList<>();
        for (Deque<RunSignal> channel : channels) {
            if (!channel.isEmpty()) {
                possible.add(() -> hear(channel.remove()));
            }
        }
        if (!strays.isEmpty()) {
            possible.add(() -> hear(strays.remove(random.nextInt(strays.size()))));
        }
        workers.values().forEach(worker -> possible.addAll(worker.possible()));
        assertThat(possible)
                .as("a run that waits for %s waits for someone who acts", state.awaited())
                .isNotEmpty();
        possible.get(random.nextInt(possible.size())).run();
    }

    /** What it said before may still arrive; its node tells once or twice, before or after another has joined. */
    private void killOne() {
        List<SimulatedWorker> alive =
                workers.values().stream().filter(SimulatedWorker::isAlive).toList();
        if (alive.isEmpty()) {
            return;
        }
        SimulatedWorker victim = alive.get(random.nextInt(alive.size()));
        victim.die();
        WorkerId id = victim.worker.id();
        tell(new RunSignal.WorkerLost(id, "signal 9"));
        if (random.nextInt(4) == 0) {
            victim.says.clear();
        }
        if (random.nextInt(4) == 0) {
            tell(new RunSignal.WorkerUnavailable(id.place(), NO_LIFE));
        } else {
            start(id.place(), id.incarnation() + 1);
        }
    }

    /** What it said before may still arrive, or not; another takes its place. */
    private void loseFeeder() {
        String place = List.copyOf(feeders.keySet()).get(random.nextInt(feeders.size()));
        Feeder lost = Objects.requireNonNull(feeders.get(place));
        tell(new RunSignal.FeederLost(place, lost.incarnation(), "its node left"));
        if (random.nextBoolean()) {
            lost.says().clear();
        }
        startFeeder(place, lost.incarnation() + 1);
    }

    /** Once or twice, at whatever time. */
    private void tell(RunSignal news) {
        for (int times = random.nextInt(2); times >= 0; times--) {
            strays.add(news);
        }
    }

    private RunSignal nuisance() {
        long other = state.generation() + (random.nextBoolean() ? 1 : -1);
        List<RunSignal> all = List.of(
                new RunSignal.StopRequested("Ctrl-C"),
                new RunSignal.StopRequested("Ctrl-C"),
                new RunSignal.Silence(Duration.ofMinutes(1)),
                new RunSignal.EffectFailed(new Fault(FaultCode.STORAGE_FAILED, "no space")),
                new RunSignal.WorkerFailed(state.generation(), 0, new Fault(FaultCode.OUT_OF_MEMORY, "")),
                new RunSignal.WorkerFailed(state.generation(), 0, new Fault(FaultCode.PEER_LOST, "")),
                new RunSignal.WorkerLost(new WorkerId("node-0/8", 1), "signal 9"),
                new RunSignal.ModelDescribed(state.generation(), Runs.MODEL),
                new RunSignal.StepDone(other, 0, Runs.step(state.step() + 1, false)),
                new RunSignal.SpanDone(other, 0, state.step()),
                new RunSignal.ShardWritten(other, 0, state.step(), ShardFile.getDefaultInstance()),
                new RunSignal.WorkerFailed(other, 0, new Fault(FaultCode.INTERNAL, "")),
                new RunSignal.FeedFailed(state.generation(), LOST_FILE),
                new RunSignal.NothingMore(),
                new RunSignal.StillWorking(state.generation(), 1));
        return all.get(random.nextInt(all.size()));
    }

    private void hear(RunSignal signal) {
        RunState before = state;
        Decision decision = RunPlan.decide(state, signal);
        state = decision.state();
        if (isStale(before, signal)) {
            assertThat(decision).isEqualTo(Decision.of(before));
        }
        boolean maybeTwice = signal instanceof RunSignal.OfCrew || signal instanceof RunSignal.Description;
        if (maybeTwice && mishap(10)) {
            strays.add(signal); // told again, at whatever time
        }
        for (Effect effect : decision.effects()) {
            carryOut(effect);
        }
        assertThat(state.awaited()).isNotBlank();
        assertThat(state instanceof RunState.Ended).isEqualTo(end.isPresent());
        assertThat(state.step()).isBetween(0L, fate.total());
        assertThat(workers.values().stream()
                        .filter(SimulatedWorker::isInSpan)
                        .map(SimulatedWorker::generation)
                        .distinct()
                        .count())
                .as("generations that train")
                .isLessThanOrEqualTo(1);
    }

    private static boolean isStale(RunState before, RunSignal signal) {
        if (signal instanceof RunSignal.WorkerLost lost) {
            return before.footing().crew().ended().getOrDefault(lost.worker().place(), 0)
                    >= lost.worker().incarnation();
        } else if (signal instanceof RunSignal.WorkerJoined joined) {
            return !before.footing().crew().isNew(joined.worker().id());
        } else if (signal instanceof RunSignal.FeederLost lost) {
            return before.footing().crew().endedFeeders().getOrDefault(lost.feeder(), 0) >= lost.incarnation();
        } else if (signal instanceof RunSignal.FeederJoined joined) {
            return !before.footing().crew().isNewFeeder(joined.feeder(), joined.incarnation());
        }
        return signal instanceof RunSignal.OfGeneration news && news.generation() != before.generation();
    }

    private void carryOut(Effect effect) {
        if (effect instanceof Effect.ClaimGeneration) {
            hostSays.add(disk.claim());
        } else if (effect instanceof Effect.DescribeModel describe) {
            at(describe.worker()).describe(describe.generation());
        } else if (effect instanceof Effect.DescribeData describe) {
            describeData(describe);
        } else if (effect instanceof Effect.ReplacePlace replace) {
            replace(replace);
        } else if (effect instanceof Effect.OpenMetrics open) {
            disk.cutBack(open.resumeStep());
        } else if (effect instanceof Effect.TakeShard take) {
            form(take);
        } else if (effect instanceof Effect.Order order) {
            order(order);
        } else if (effect instanceof Effect.RecordStep record) {
            record(record.report());
        } else if (effect instanceof Effect.RecordEvaluation record) {
            record(record.report());
        } else if (effect instanceof Effect.VerifyCheckpoint verify) {
            assertThat(disk.checkpoints).as("the best one is kept").containsKey(verify.step());
            hostSays.add(new RunSignal.CheckpointVerified(verify.generation(), verify.step()));
        } else if (effect instanceof Effect.AwaitMore) {
            hostSays.add(new RunSignal.NothingMore());
        } else if (effect instanceof Effect.WriteCheckpoint write) {
            assertThat(write.bytes()).isEqualTo(write.workers().size() * SimulatedWorker.BYTES_A_RANK);
            write.workers()
                    .forEach(worker ->
                            at(worker).tell(new WorkerCommand.WriteShard(write.generation(), write.step(), "")));
        } else if (effect instanceof Effect.Commit commit) {
            commit(commit);
        } else if (effect instanceof Effect.Export export) {
            assertThat(disk.checkpoints)
                    .as("only what is committed is exported")
                    .containsKey(export.step());
            disk.exported = Optional.of(export.step());
            at(export.worker()).tell(new WorkerCommand.ExportModel(export.generation(), export.step(), "", ""));
        } else if (effect instanceof Effect.Announce announce
                && announce.event().hasRecovery()) {
            recoveries++;
            recoveriesInARow++;
            assertThat(recoveriesInARow)
                    .isLessThanOrEqualTo(fate.terms.parallel().recoveries());
        } else if (effect instanceof Effect.End ending) {
            assertThat(ending.outcome() != Outcome.STOPPED || ending.step() <= disk.newestCheckpoint())
                    .as("a run stops at a commit")
                    .isTrue();
            assertThat(inCluster && ending.fault().equals(Optional.of(NO_LIFE)))
                    .as("a cluster has other places")
                    .isFalse();
            assertThat(ending.fault().map(Fault::code).orElse(null))
                    .as("nothing is a bug: %s", ending.message())
                    .isNotEqualTo(FaultCode.INTERNAL);
            end = Optional.of(ending);
        }
    }

    /** A question to one that is gone by now is lost. */
    private void describeData(Effect.DescribeData question) {
        Feeder newest = Objects.requireNonNull(feeders.get(question.feeder()));
        if (isAsKnown(question.feeder())) {
            newest.says().add(new RunSignal.DataDescribed(question.generation(), question.number(), fate.data));
            opened.add(newest);
        }
    }

    /** Whether the newest feeder in a place is the one that the plan means. */
    private boolean isAsKnown(String place) {
        int newest = Objects.requireNonNull(feeders.get(place)).incarnation();
        return state.footing().crew().feeders().getOrDefault(place, 0) == newest;
    }

    private void replace(Effect.ReplacePlace order) {
        assertThat(inCluster).as("there are other places").isTrue();
        assertThat(givenUp.add(order.place())).as("replaced once").isTrue();
        start("node-2/" + givenUp.size(), 1);
    }

    /** The worker as the plan knows it; a message to one that has died meanwhile is lost. */
    private SimulatedWorker at(WorkerId id) {
        assertThat(state instanceof RunState.Ended || state.footing().crew().has(id))
                .as("%s is there", id)
                .isTrue();
        assertThat(givenUp).doesNotContain(id.place());
        SimulatedWorker newest = workers.get(id.place());
        return newest != null && newest.worker.id().equals(id)
                ? newest
                : new SimulatedWorker(new Worker(id, "gone", ""), fate);
    }

    private void form(Effect.TakeShard take) {
        assertThat(take.generation()).as("the newest generation").isEqualTo(disk.generations);
        assertThat(formed.add(take.generation())).as("a generation forms once").isTrue();
        assertThat(workers.values()).noneMatch(worker -> worker.isBehind(take.generation()));
        assertThat(take.team().ids()).isSortedAccordingTo(WorkerId.ORDER);
        assertThat(take.team().feeders())
                .as("whoever feeds has opened the data")
                .allMatch(place -> opened.contains(feeders.get(place)) || !isAsKnown(place));
        SimulatedGroup group = new SimulatedGroup(take.generation(), take.team().size());
        for (int rank = 0; rank < take.team().size(); rank++) {
            SimulatedWorker worker = at(take.team().ids().get(rank));
            group.join(worker);
            worker.tell(take, rank, group);
        }
    }

    private void order(Effect.Order order) {
        if (order.command() instanceof WorkerCommand.RunSteps steps) {
            assertThat(granted.add(steps.generation() + " " + steps.from()))
                    .as("span granted once")
                    .isTrue();
            assertThat(steps.from()).isEqualTo(disk.lastStepMeasured());
            assertThat(steps.until()).isGreaterThan(steps.from());
        }
        order.workers().forEach(worker -> at(worker).tell(order.command()));
    }

    private void record(StepReport report) {
        long step = report.getStep();
        int ranks = fate.terms.parallel().workers();
        assertThat(step).isEqualTo(disk.lastStepMeasured() + 1);
        assertThat(report.getSamplesList())
                .isEqualTo(LongStream.range(step * ranks, (step + 1) * ranks)
                        .boxed()
                        .toList());
        assertThat(report.getTokens()).isEqualTo(ranks);
        disk.metrics.add("step " + step);
        if (step > furthest) {
            furthest = step;
            recoveriesInARow = 0;
        }
    }

    private void record(EvaluationReport report) {
        assertThat(report.getStep()).isEqualTo(disk.lastStepMeasured());
        disk.metrics.add("eval " + report.getStep());
        if (report.getStep() > 0) {
            boolean best = fate.bestUpTo(state.step()).equals(Optional.of(state.step()));
            assertThat(report.getBest()).as("the best so far").isEqualTo(best);
        }
    }

    private void commit(Effect.Commit commit) {
        assertThat(commit.skippedInARow()).isEqualTo(fate.notFiniteInARow(commit.step()));
        assertThat(commit.standing().best().map(EvaluationReport::getStep)).isEqualTo(fate.bestUpTo(commit.step()));
        assertThat(commit.files()).extracting(ShardFile::getRank).isSorted().doesNotHaveDuplicates();
        hostSays.add(disk.commit(commit));
    }
}
