// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.coordinator.plan.ParallelSettings;

/**
 * A run in the line, or beyond it.
 *
 * @param name unique among the runs that have not ended
 * @param kind of its slots, from when it has begun
 * @param slots that it holds
 * @param feeders places of its feeders
 * @param givenUp slots in which no worker of it can live, and why
 * @param leaving nodes on which something of it may still run, once it is over
 * @param barred nodes that do not work for it, with the reason
 */
record QueuedRun(
        String name,
        ParallelSettings wanted,
        Optional<SlotKind> kind,
        Phase phase,
        List<Slot> slots,
        List<String> feeders,
        Map<Slot, String> givenUp,
        Set<String> leaving,
        Map<String, String> barred) {
    /** From submission to the end. */
    enum Phase {
        WAITING,
        RUNNING,
        /** It is over, but its slots are not free yet. */
        LEAVING,
        ENDED
    }

    QueuedRun {
        slots = List.copyOf(slots);
        feeders = List.copyOf(feeders);
        givenUp = Map.copyOf(givenUp);
        leaving = Set.copyOf(leaving);
        barred = Map.copyOf(barred);
    }

    static QueuedRun submitted(String name, ParallelSettings wanted) {
        return new QueuedRun(
                name, wanted, Optional.empty(), Phase.WAITING, List.of(), List.of(), Map.of(), Set.of(), Map.of());
    }

    int lacksWorkers() {
        return wanted.workers() - slots.size();
    }

    int lacksFeeders() {
        return wanted.feeders() - feeders.size();
    }

    boolean lacksAny() {
        return lacksWorkers() > 0 || lacksFeeders() > 0;
    }

    /** Nodes that work for it. */
    Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        slots.forEach(slot -> nodes.add(slot.node()));
        feeders.forEach(feeder -> nodes.add(nodeOf(feeder)));
        return nodes;
    }

    static String nodeOf(String feeder) {
        return feeder.substring(0, feeder.lastIndexOf('/'));
    }

    QueuedRun with(Grant grant, Optional<SlotKind> ofKind) {
        List<Slot> more = new ArrayList<>(slots);
        more.addAll(grant.slots());
        List<String> fed = new ArrayList<>(feeders);
        fed.addAll(grant.feeders());
        return new QueuedRun(name, wanted, ofKind, Phase.RUNNING, more, fed, givenUp, leaving, barred);
    }

    /** Another slot is wanted instead of this one, which others may have. */
    QueuedRun gaveUp(String place, String reason) {
        Map<Slot, String> more = new HashMap<>(givenUp);
        slots.stream().filter(slot -> slot.place().equals(place)).forEach(slot -> more.put(slot, reason));
        List<Slot> left =
                slots.stream().filter(slot -> !slot.place().equals(place)).toList();
        return new QueuedRun(name, wanted, kind, phase, left, feeders, more, leaving, barred);
    }

    /** A node is gone, and with it what it did for the run. */
    QueuedRun without(String node) {
        return new QueuedRun(
                name,
                wanted,
                kind,
                phase,
                slots.stream().filter(slot -> !slot.node().equals(node)).toList(),
                feeders.stream().filter(feeder -> !nodeOf(feeder).equals(node)).toList(),
                givenUp.entrySet().stream()
                        .filter(slot -> !slot.getKey().node().equals(node))
                        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)),
                leaving,
                barred);
    }

    QueuedRun over() {
        Set<String> nodes = nodes();
        givenUp.keySet().forEach(slot -> nodes.add(slot.node()));
        return new QueuedRun(name, wanted, kind, Phase.LEAVING, slots, feeders, givenUp, nodes, barred).settled();
    }

    /** Nothing of it is left on a node. */
    QueuedRun left(String node) {
        Set<String> others = new LinkedHashSet<>(leaving);
        others.remove(node);
        QueuedRun without = without(node);
        return new QueuedRun(name, wanted, kind, phase, without.slots, without.feeders, without.givenUp, others, barred)
                .settled();
    }

    /** The node does not work for it until further notice. */
    QueuedRun barring(String node, String reason) {
        Map<String, String> more = new HashMap<>(barred);
        more.put(node, reason);
        return new QueuedRun(name, wanted, kind, phase, slots, feeders, givenUp, leaving, more);
    }

    QueuedRun unbarring(String node) {
        Map<String, String> fewer = new HashMap<>(barred);
        fewer.remove(node);
        return new QueuedRun(name, wanted, kind, phase, slots, feeders, givenUp, leaving, fewer);
    }

    boolean mayUse(String node) {
        return !barred.containsKey(node);
    }

    private QueuedRun settled() {
        return phase == Phase.LEAVING && leaving.isEmpty()
                ? new QueuedRun(name, wanted, kind, Phase.ENDED, List.of(), List.of(), Map.of(), Set.of(), Map.of())
                : this;
    }
}
