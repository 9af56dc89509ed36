// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Device;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.coordinator.plan.ParallelSettings.Mode;
import org.chorale.coordinator.queue.QueuedRun.Phase;
import org.junit.jupiter.api.Test;

class RunQueueTest {
    private static final List<Device> DEVICES = List.of(Device.values());

    private RunQueue queue = RunQueue.EMPTY;

    @Test
    void aRunGetsTheNodeThatIsJustLargeEnough() {
        nodes(node("a", 4), node("b", 2), node("c", 3));
        submit("run", 2);
        assertThat(grantAll()).containsExactly("run: b/0 b/1 fed by b/feeder-0");
    }

    @Test
    void aRunThatNoNodeHoldsAloneTakesAsFewAsCanBe() {
        nodes(node("a", 1), node("b", 4), node("c", 2), node("d", 3));
        submit("run", 6);
        assertThat(grantAll()).containsExactly("run: b/0 b/1 b/2 b/3 c/0 c/1 fed by b/feeder-0");
    }

    @Test
    void runsBeginInTheOrderOfSubmissionAndNoneOvertakesOneThatWaitsForWhatOthersHold() {
        nodes(node("a", 3));
        submit("first", 2);
        submit("all", 3);
        submit("small", 1);
        assertThat(grantAll()).containsExactly("first: a/0 a/1 fed by a/feeder-0");
        assertThat(queue.awaited("all")).isEqualTo("2 more worker(s): 3 asked for, 1 free of 3; run first holds 2");
        assertThat(queue.awaited("small")).isEqualTo("1 run(s) before it in line, the next of them all");
        queue = queue.over("all");
        assertThat(grantAll()).containsExactly("small: a/2 fed by a/feeder-0");
    }

    @Test
    void aRunThatWantsMoreThanTheClusterHasIsPassedOverUntilThereIsEnough() {
        nodes(node("a", 2));
        submit("large", 4);
        submit("one", 1);
        submit("two", 1);
        submit("three", 1);
        assertThat(grantAll()).containsExactly("one: a/0 fed by a/feeder-0", "two: a/1 fed by a/feeder-0");
        assertThat(queue.awaited("three")).startsWith("1 more worker(s): 1 asked for, 0 free of 2");
        nodes(node("b", 2));
        assertThat(grantAll()).as("what comes free is kept for the large one").isEmpty();
        assertThat(queue.awaited("three")).isEqualTo("1 run(s) before it in line, the next of them large");
        queue = queue.over("one").left("a", "one");
        assertThat(grantAll()).isEmpty();
        queue = queue.over("two").left("a", "two");
        assertThat(grantAll()).containsExactly("large: a/0 a/1 b/0 b/1 fed by a/feeder-0");
        queue = queue.lost("b").over("large").left("a", "large");
        assertThat(grantAll()).containsExactly("three: a/0 fed by a/feeder-0");
    }

    @Test
    void aRunGetsAnotherPlaceInsteadOfOneInWhichItsWorkersEndWhichOthersMayHave() {
        nodes(node("a", 1), node("b", 1));
        submit("run", 1);
        assertThat(grantAll()).containsExactly("run: a/0 fed by a/feeder-0");
        queue = queue.gaveUp("run", "a/0", "no memory");
        assertThat(grantAll()).containsExactly("run: b/0 fed by ");
        queue = queue.gaveUp("run", "b/0", "no driver");
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("run"))
                .isEqualTo("1 more worker(s): 1 asked for, 0 free of 2;"
                        + " a/0 was given up: no memory; b/0 was given up: no driver");
        submit("other", 1);
        assertThat(grantAll()).containsExactly("other: a/0 fed by a/feeder-0");
        assertThat(queue.over("run").run("run").orElseThrow().leaving())
                .as("their keepers are told as well")
                .containsExactlyInAnyOrder("a", "b");
        nodes(node("c", 1));
        assertThat(grantAll()).containsExactly("run: c/0 fed by ");
        queue = queue.lost("a");
        assertThat(queue.run("run").orElseThrow().givenUp()).containsOnlyKeys(new Slot("b", 0));
    }

    @Test
    void slotsAreFreeOnceTheirNodesSaySo() {
        nodes(node("a", 1), node("b", 1));
        submit("first", 2);
        submit("second", 2);
        assertThat(grantAll()).hasSize(1);
        queue = queue.over("first");
        assertThat(grantAll()).isEmpty();
        queue = queue.left("a", "first");
        assertThat(grantAll()).isEmpty();
        assertThat(phase("first")).isEqualTo(Phase.LEAVING);
        queue = queue.left("b", "first");
        assertThat(phase("first")).isEqualTo(Phase.ENDED);
        assertThat(grantAll()).containsExactly("second: a/0 b/0 fed by a/feeder-0");
    }

    @Test
    void aRunThatLostANodeComesBeforeThoseThatWait() {
        nodes(node("a", 2), node("b", 2));
        submit("wounded", 4);
        submit("waiting", 1);
        assertThat(grantAll()).hasSize(1);
        queue = queue.lost("b");
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("wounded")).startsWith("2 more worker(s): 4 asked for, 0 free of 2");
        nodes(node("b#2", 3));
        assertThat(grantAll()).containsExactly("wounded: b#2/0 b#2/1 fed by ", "waiting: b#2/2 fed by b#2/feeder-0");
    }

    @Test
    void aLostNodeHoldsNothingOfARunThatIsOver() {
        nodes(node("a", 1));
        submit("run", 1);
        assertThat(grantAll()).hasSize(1);
        queue = queue.over("run").lost("a");
        assertThat(phase("run")).isEqualTo(Phase.ENDED);
    }

    @Test
    void aRunWithoutANodeThatFeedsWaitsForOne() {
        queue = queue.joined(new ClusterNode("a", "a", "a", Set.of("worker"), 1, List.of()));
        submit("run", 1);
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("run")).isEqualTo("a node with the role feeder");
        queue = queue.joined(new ClusterNode("f", "f", "f", Set.of("feeder"), 4, List.of()));
        assertThat(grantAll()).containsExactly("run: a/0 fed by f/feeder-0");
    }

    @Test
    void aNodeThatIsBarredFromARunWorksForOthersAndTheRunSaysWhy() {
        nodes(node("a", 2), node("b", 1));
        submit("run", 2);
        queue = queue.barred("a", "run", "lacks shop.Gloves");
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("run"))
                .isEqualTo("1 more worker(s): 2 asked for, 1 free of 3; node a lacks shop.Gloves");
        nodes(node("c", 1));
        assertThat(grantAll()).containsExactly("run: b/0 c/0 fed by b/feeder-0");
        submit("other", 2);
        assertThat(grantAll()).containsExactly("other: a/0 a/1 fed by a/feeder-0");
    }

    @Test
    void aRunGetsANodeOnceItIsNoLongerBarredOrHasComeAnew() {
        nodes(node("a", 1), node("b", 1));
        submit("run", 1);
        queue = queue.barred("a", "run", "is asked").barred("b", "run", "is asked");
        assertThat(grantAll()).isEmpty();
        queue = queue.unbarred("b", "run");
        assertThat(grantAll()).containsExactly("run: b/0 fed by b/feeder-0");
        queue = queue.lost("a").lost("b");
        nodes(node("a", 1));
        assertThat(grantAll()).containsExactly("run: a/0 fed by a/feeder-0");
    }

    @Test
    void feedersAreOnTheRunsOwnNodesInTurns() {
        nodes(node("a", 2), node("b", 2), node("c", 1));
        submit("run", 4, Device.AUTO, 3);
        assertThat(grantAll()).containsExactly("run: a/0 a/1 b/0 b/1 fed by a/feeder-0 b/feeder-0 a/feeder-1");
    }

    @Test
    void aRunOnGpusGetsOnlySlotsThatHaveOne() {
        nodes(node("cpus", 4), gpuNode("gpus", 4, 2));
        submit("run", 2, Device.CUDA);
        assertThat(grantAll()).containsExactly("run: gpus/0 gpus/1 fed by gpus/feeder-0");
    }

    @Test
    void aRunWhoseWorkersShareGpusGetsAnySlotWhereThereIsOne() {
        nodes(node("cpus", 4), gpuNode("gpu", 4, 1));
        submit("run", 3, Device.CUDA_SHARED);
        assertThat(grantAll()).containsExactly("run: gpu/0 gpu/1 gpu/2 fed by gpu/feeder-0");
        submit("next", 2, Device.CUDA_SHARED);
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("next"))
                .isEqualTo("1 more worker(s) on nodes with a GPU: 2 asked for, 1 free of 4; run run holds 3");
    }

    @Test
    void aRunSaysHowManyGpusItLacks() {
        nodes(node("cpus", 8), gpuNode("gpus", 4, 2));
        submit("run", 4, Device.CUDA);
        assertThat(grantAll()).isEmpty();
        assertThat(queue.awaited("run")).isEqualTo("2 more worker(s) with a GPU: 4 asked for, 2 free of 2");
        submit("other", 1, Device.CUDA);
        assertThat(grantAll()).containsExactly("other: gpus/0 fed by gpus/feeder-0");
        assertThat(queue.awaited("run"))
                .isEqualTo("3 more worker(s) with a GPU: 4 asked for, 1 free of 2; run other holds 1");
    }

    @Test
    void aRunOnGpusInAClusterWithoutAnySaysSo() {
        nodes(node("a", 2));
        submit("run", 1, Device.CUDA);
        submit("next", 1, Device.CPU);
        assertThat(grantAll()).as("nobody waits behind it").containsExactly("next: a/0 fed by a/feeder-0");
        assertThat(queue.awaited("run")).startsWith("1 more worker(s) with a GPU: 1 asked for, 0 free of 0");
    }

    @Test
    void aRunOnCpusLeavesTheGpusToOthersAsLongAsItCan() {
        nodes(gpuNode("both", 3, 1), node("cpus", 1));
        submit("three", 3, Device.CPU);
        submit("last", 1, Device.CPU);
        assertThat(grantAll())
                .containsExactly(
                        "three: both/1 both/2 cpus/0 fed by both/feeder-0", "last: both/0 fed by both/feeder-0");
    }

    @Test
    void aRunThatTakesWhatThereIsGetsOneKindAndGpusFirst() {
        nodes(node("cpus", 2), gpuNode("gpus", 2, 2));
        submit("first", 2);
        assertThat(grantAll()).containsExactly("first: gpus/0 gpus/1 fed by gpus/feeder-0");
        submit("second", 2);
        assertThat(grantAll()).as("it has GPUs to wait for").isEmpty();
        assertThat(queue.awaited("second"))
                .isEqualTo("2 more worker(s) with a GPU: 2 asked for, 0 free of 2; run first holds 2");
        queue = queue.over("first").left("gpus", "first");
        assertThat(grantAll()).containsExactly("second: gpus/0 gpus/1 fed by gpus/feeder-0");
    }

    @Test
    void aRunThatTakesWhatThereIsComputesOnCpusWhereThereAreTooFewGpus() {
        nodes(node("cpus", 3), gpuNode("gpu", 2, 1));
        submit("run", 3);
        assertThat(grantAll()).containsExactly("run: cpus/0 cpus/1 cpus/2 fed by cpus/feeder-0");
    }

    @Test
    void aRunForWhichNeitherKindSufficesSaysWhatThereIsOfBoth() {
        nodes(node("cpus", 2), gpuNode("gpus", 3, 3));
        submit("run", 4);
        assertThat(grantAll()).as("kinds are not mixed").isEmpty();
        assertThat(queue.awaited("run"))
                .isEqualTo("1 more worker(s) of one kind: 4 asked for, 3 free of 3 with a GPU"
                        + " and 2 free of 2 on nodes without a GPU");
    }

    @Test
    void aRunStaysWithTheKindThatItBeganWith() {
        nodes(node("cpus", 1));
        submit("run", 1);
        assertThat(grantAll()).hasSize(1);
        queue = queue.lost("cpus");
        nodes(gpuNode("gpu", 1, 1));
        assertThat(grantAll()).as("it began on a CPU").containsExactly("run:  fed by gpu/feeder-0");
        assertThat(queue.awaited("run")).isEqualTo("1 more worker(s) on nodes without a GPU: 1 asked for, 0 free of 0");
        nodes(node("cpus#2", 1));
        assertThat(grantAll()).containsExactly("run: cpus#2/0 fed by ");
    }

    @Test
    void whateverComesAndGoesNoSlotIsHeldTwiceAndNoRunForWhichTheNodesWouldDoIsOvertaken() {
        for (long seed = 0; seed < 100; seed++) {
            Random random = new Random(seed);
            queue = RunQueue.EMPTY;
            int numbers = 0;
            for (int event = 0; event < 60; event++) {
                switch (random.nextInt(6)) {
                    case 0 -> nodes(gpuNode("n" + numbers++, 1 + random.nextInt(3), random.nextInt(3)));
                    case 1, 2 ->
                        submit(
                                "r" + numbers++,
                                1 + random.nextInt(4),
                                any(DEVICES, random).orElseThrow());
                    case 3 ->
                        any(queue.runs(), random).ifPresent(run -> {
                            queue = queue.over(run.name());
                            for (String node : run.nodes()) {
                                queue = queue.left(node, run.name());
                            }
                        });
                    case 4 ->
                        any(queue.runs(), random)
                                .ifPresent(run -> any(run.slots(), random)
                                        .ifPresent(
                                                slot -> queue = queue.gaveUp(run.name(), slot.place(), "no memory")));
                    default -> {
                        if (random.nextInt(4) == 0) {
                            any(queue.nodes(), random).ifPresent(node -> queue = queue.lost(node.name()));
                        }
                    }
                }
                grantAll();
                assertConsistent();
            }
        }
    }

    private void assertConsistent() {
        Set<Slot> held = new HashSet<>();
        for (QueuedRun run : queue.runs()) {
            assertThat(kinds(run))
                    .as("kinds that all slots of %s are of", run.name())
                    .containsAnyElementsOf(SlotKind.serving(run.wanted().device()));
            for (Slot slot : run.slots()) {
                assertThat(held.add(slot)).as("%s is held once", slot).isTrue();
                assertThat(queue.node(slot.node())).isPresent();
                assertThat(run.phase() == Phase.RUNNING && run.givenUp().containsKey(slot))
                        .as("%s was given up by %s", slot, run.name())
                        .isFalse();
            }
            assertThat(run.phase() == Phase.WAITING ? queue.awaited(run.name()) : "something")
                    .as("what %s waits for", run.name())
                    .isNotEmpty();
        }
    }

    /** A run that begins passes over none that could begin if it had the cluster to itself. */
    private void assertNobodyIsOvertaken(QueuedRun begins) {
        if (begins.phase() == Phase.WAITING) {
            assertThat(queue.runs().subList(0, queue.runs().indexOf(begins)))
                    .as("%s begins", begins.name())
                    .noneMatch(before -> before.phase() == Phase.WAITING
                            && SlotKind.serving(before.wanted().device()).stream()
                                    .anyMatch(kind -> before.wanted().workers() <= queue.usable(kind)));
        }
    }

    private List<SlotKind> kinds(QueuedRun run) {
        return Stream.of(SlotKind.values())
                .filter(kind -> run.slots().stream()
                        .allMatch(slot -> kind.has(queue.node(slot.node()).orElseThrow(), slot.number())))
                .toList();
    }

    private static <T> Optional<T> any(List<T> list, Random random) {
        return list.isEmpty() ? Optional.empty() : Optional.of(list.get(random.nextInt(list.size())));
    }

    private Phase phase(String run) {
        return queue.run(run).orElseThrow().phase();
    }

    private void nodes(ClusterNode... nodes) {
        for (ClusterNode node : nodes) {
            queue = queue.joined(node);
        }
    }

    private static ClusterNode node(String name, int slots) {
        return gpuNode(name, slots, 0);
    }

    private static ClusterNode gpuNode(String name, int slots, int gpus) {
        return new ClusterNode(
                name, name, name, Set.of("worker", "feeder"), slots, Collections.nCopies(gpus, "NVIDIA H200"));
    }

    private void submit(String name, int workers) {
        submit(name, workers, Device.AUTO);
    }

    private void submit(String name, int workers, Device device) {
        submit(name, workers, device, 1);
    }

    private void submit(String name, int workers, Device device, int feeders) {
        ParallelSettings wanted = new ParallelSettings(
                workers, Isolation.PROCESS, device, Mode.FULL_SHARD, Optional.empty(), Optional.empty(), feeders, 5);
        queue = queue.submitted(QueuedRun.submitted(name, wanted));
    }

    /** What can be granted, as text. */
    private List<String> grantAll() {
        List<String> grants = new ArrayList<>();
        for (Optional<Grant> next = queue.next(); next.isPresent(); next = queue.next()) {
            Grant grant = next.get();
            assertNobodyIsOvertaken(queue.run(grant.run()).orElseThrow());
            queue = queue.granted(grant);
            List<String> places = grant.slots().stream().map(Slot::place).toList();
            grants.add("%s: %s fed by %s"
                    .formatted(grant.run(), String.join(" ", places), String.join(" ", grant.feeders())));
        }
        return grants;
    }
}
