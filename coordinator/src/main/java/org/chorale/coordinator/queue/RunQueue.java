// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.coordinator.queue.QueuedRun.Phase;

/**
 * The nodes of a cluster and the line of its runs; a pure value, which says what can be granted next.
 *
 * <p>Runs begin in the order of submission. One that could not begin even if it had all nodes to itself is passed over; as
 * soon as enough nodes are there, none that was submitted after it begins before it, so that a large one does not wait for
 * ever. A run that has begun and lost a place comes before all that wait. All slots of a run are of one {@link SlotKind},
 * with which it stays; one that needs no GPU leaves those to others as long as it can.
 *
 * @param nodes in the order in which they came
 * @param runs in the order of submission
 */
record RunQueue(List<ClusterNode> nodes, List<QueuedRun> runs) {
    static final RunQueue EMPTY = new RunQueue(List.of(), List.of());

    RunQueue {
        nodes = List.copyOf(nodes);
        runs = List.copyOf(runs);
    }

    Optional<ClusterNode> node(String name) {
        return nodes.stream().filter(node -> node.name().equals(name)).findFirst();
    }

    Optional<QueuedRun> run(String name) {
        return runs.stream().filter(run -> run.name().equals(name)).findFirst();
    }

    RunQueue joined(ClusterNode node) {
        List<ClusterNode> more = new ArrayList<>(nodes);
        more.add(node);
        return new RunQueue(more, runs);
    }

    /** A node is gone; what it did for runs is missing now, or over. */
    RunQueue lost(String node) {
        return new RunQueue(
                nodes.stream().filter(other -> !other.name().equals(node)).toList(),
                runs.stream().map(run -> run.left(node).unbarring(node)).toList());
    }

    /** The run takes the place of an ended one of its name. */
    RunQueue submitted(QueuedRun run) {
        List<QueuedRun> more = new ArrayList<>(without(run.name()).runs);
        more.add(run);
        return new RunQueue(nodes, more);
    }

    RunQueue without(String run) {
        return new RunQueue(
                nodes, runs.stream().filter(other -> !other.name().equals(run)).toList());
    }

    RunQueue granted(Grant grant) {
        return changed(grant.run(), run -> run.with(grant, kind(run)));
    }

    /** It holds its slots until its nodes say that nothing of it is left. */
    RunQueue over(String run) {
        return changed(run, QueuedRun::over);
    }

    RunQueue left(String node, String run) {
        return changed(run, there -> there.phase() == Phase.LEAVING ? there.left(node) : there);
    }

    /** The node does not work for the run, until it is said that it can. */
    RunQueue barred(String node, String run, String reason) {
        return changed(run, there -> there.barring(node, reason));
    }

    RunQueue unbarred(String node, String run) {
        return changed(run, there -> there.unbarring(node));
    }

    private RunQueue changed(String name, UnaryOperator<QueuedRun> change) {
        return new RunQueue(
                nodes,
                runs.stream()
                        .map(run -> run.name().equals(name) ? change.apply(run) : run)
                        .toList());
    }

    /** A place in which no worker of a run can live is free for others. */
    RunQueue gaveUp(String run, String place, String reason) {
        return changed(run, there -> there.phase() == Phase.RUNNING ? there.gaveUp(place, reason) : there);
    }

    /** What can be given now: to a run that has lost something, else to one in line. */
    Optional<Grant> next() {
        return running()
                .filter(QueuedRun::lacksAny)
                .map(this::grant)
                .filter(grant -> !grant.slots().isEmpty() || !grant.feeders().isEmpty())
                .findFirst()
                .or(this::nextToBegin);
    }

    /** The first that can begin, unless one before it only waits for what others hold. */
    private Optional<Grant> nextToBegin() {
        for (QueuedRun run : waiting().toList()) {
            Grant grant = grant(run);
            if (isEnough(grant)) {
                return Optional.of(grant);
            } else if (holdsTheLine(run)) {
                return Optional.empty();
            }
        }
        return Optional.empty();
    }

    /** Whether the nodes that there are would do for a run, if it had them to itself. */
    private boolean holdsTheLine(QueuedRun run) {
        return kind(run).isPresent() && own(run).anyMatch(ClusterNode::feeds);
    }

    /** Of what kind the slots of a run are, or will be; empty as long as its nodes have not enough of any. */
    Optional<SlotKind> kind(QueuedRun run) {
        return run.kind()
                .or(() -> SlotKind.serving(run.wanted().device()).stream()
                        .filter(kind -> run.wanted().workers() <= usable(own(run), kind))
                        .findFirst());
    }

    private Stream<ClusterNode> own(QueuedRun run) {
        return nodes.stream().filter(node -> run.mayUse(node.name()));
    }

    /** Slots in which workers could be, whoever holds them. */
    int usable(SlotKind kind) {
        return usable(nodes.stream(), kind);
    }

    private static int usable(Stream<ClusterNode> nodes, SlotKind kind) {
        return nodes.mapToInt(node -> node.usable(kind).size()).sum();
    }

    private Stream<QueuedRun> running() {
        return runs.stream().filter(run -> run.phase() == Phase.RUNNING);
    }

    private Stream<QueuedRun> waiting() {
        return runs.stream().filter(run -> run.phase() == Phase.WAITING);
    }

    private boolean isEnough(Grant grant) {
        QueuedRun run = run(grant.run()).orElseThrow();
        return grant.slots().size() == run.lacksWorkers() && grant.feeders().size() == run.lacksFeeders();
    }

    /** As much of what a run lacks as there is. */
    private Grant grant(QueuedRun run) {
        List<Slot> slots = kind(run).map(kind -> pack(run, kind)).orElse(List.of());
        Set<String> near = new HashSet<>(run.nodes());
        slots.forEach(slot -> near.add(slot.node()));
        return new Grant(run.name(), slots, feeders(run, near));
    }

    private List<Slot> pack(QueuedRun run, SlotKind kind) {
        List<List<Slot>> free = free(run, kind);
        if (kind != SlotKind.ANY) {
            return Packing.pack(free, run.lacksWorkers());
        }
        List<Slot> taken = Packing.pack(only(free, slot -> !hasGpu(slot)), run.lacksWorkers());
        taken.addAll(Packing.pack(only(free, this::hasGpu), run.lacksWorkers() - taken.size()));
        return taken;
    }

    private static List<List<Slot>> only(List<List<Slot>> byNode, Predicate<Slot> which) {
        return byNode.stream()
                .map(slots -> slots.stream().filter(which).toList())
                .toList();
    }

    private boolean hasGpu(Slot slot) {
        return node(slot.node()).orElseThrow().hasGpu(slot);
    }

    /** Slots that the run may have, node by node: nobody holds them, and no worker of it has failed to live there. */
    List<List<Slot>> free(QueuedRun run, SlotKind kind) {
        Set<Slot> held = runs.stream().flatMap(other -> other.slots().stream()).collect(Collectors.toSet());
        return only(
                own(run).map(node -> node.usable(kind)).toList(),
                slot -> !held.contains(slot) && !run.givenUp().containsKey(slot));
    }

    /** Slots of a node that runs hold. */
    int held(String node) {
        return (int) runs.stream()
                .flatMap(run -> run.slots().stream())
                .filter(slot -> slot.node().equals(node))
                .count();
    }

    /** On nodes of the run's own workers where those feed, in turns; none where no node feeds. */
    private List<String> feeders(QueuedRun run, Set<String> near) {
        List<String> feeding =
                own(run).filter(ClusterNode::feeds).map(ClusterNode::name).toList();
        List<String> preferred = feeding.stream().filter(near::contains).toList();
        List<String> candidates = preferred.isEmpty() ? feeding : preferred;
        List<String> places = new ArrayList<>();
        for (int number = 0; places.size() < run.lacksFeeders() && !candidates.isEmpty(); number++) {
            String place =
                    "%s/feeder-%d".formatted(candidates.get(number % candidates.size()), number / candidates.size());
            if (!run.feeders().contains(place)) {
                places.add(place);
            }
        }
        return places;
    }

    /** What a run waits for before it has its workers, as the end of "the run waits for ..."; empty where for nothing. */
    String awaited(String name) {
        QueuedRun run = run(name).orElseThrow();
        List<String> before = waiting()
                .takeWhile(other -> !other.name().equals(name))
                .filter(this::holdsTheLine)
                .map(QueuedRun::name)
                .toList();
        if (run.phase() == Phase.WAITING && !before.isEmpty()) {
            return "%d run(s) before it in line, the next of them %s".formatted(before.size(), before.get(0));
        }
        return run.phase() == Phase.WAITING || run.phase() == Phase.RUNNING ? new Shortage(this, run).words() : "";
    }
}
