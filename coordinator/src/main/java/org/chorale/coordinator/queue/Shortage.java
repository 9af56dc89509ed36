// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Says what a run lacks that is in line, or has lost a place, as the end of "the run waits for ...". */
final class Shortage {
    /** Places given up that a message names. */
    private static final int MAX_REASONS = 8;

    private final RunQueue queue;
    private final QueuedRun run;

    Shortage(RunQueue queue, QueuedRun run) {
        this.queue = queue;
        this.run = run;
    }

    /** Empty where there is enough of everything. */
    String words() {
        List<String> lacking = new ArrayList<>();
        List<SlotKind> kinds = kinds();
        int missing =
                run.lacksWorkers() - kinds.stream().mapToInt(this::free).max().orElse(0);
        if (missing > 0) {
            lacking.add(workers(missing, kinds) + holders() + givenUp());
        }
        if (run.lacksFeeders() > 0 && queue.nodes().stream().noneMatch(this::feeds)) {
            lacking.add("a node with the role feeder");
        }
        return lacking.isEmpty() ? "" : String.join(" and ", lacking) + barred();
    }

    /** That of the run; as long as there are not enough of any, those of which there are some. */
    private List<SlotKind> kinds() {
        List<SlotKind> serving = queue.kind(run)
                .map(List::of)
                .orElseGet(() -> SlotKind.serving(run.wanted().device()));
        List<SlotKind> there =
                serving.stream().filter(kind -> queue.usable(kind) > 0).toList();
        return there.isEmpty() ? serving.subList(serving.size() - 1, serving.size()) : there;
    }

    private String workers(int missing, List<SlotKind> kinds) {
        boolean one = kinds.size() == 1;
        String free = kinds.stream()
                .map(kind -> "%d free of %d%s".formatted(free(kind), queue.usable(kind), one ? "" : words(kind)))
                .collect(Collectors.joining(" and "));
        return "%d more worker(s)%s: %d asked for, %s"
                .formatted(
                        missing,
                        one ? words(kinds.get(0)) : " of one kind",
                        run.wanted().workers(),
                        free);
    }

    /** Where no node has a GPU, nobody need be told that they have none. */
    private String words(SlotKind kind) {
        boolean noGpus = queue.nodes().stream().allMatch(node -> node.gpus().isEmpty());
        return kind == SlotKind.WITHOUT_GPU && noGpus ? "" : kind.words();
    }

    private int free(SlotKind kind) {
        return queue.free(run, kind).stream().mapToInt(List::size).sum();
    }

    private boolean feeds(ClusterNode node) {
        return node.feeds() && run.mayUse(node.name());
    }

    private String holders() {
        return queue.runs().stream()
                .filter(other -> !other.slots().isEmpty() && !other.equals(run))
                .map(other -> "; run %s holds %d"
                        .formatted(other.name(), other.slots().size()))
                .collect(Collectors.joining());
    }

    private String givenUp() {
        return run.givenUp().entrySet().stream()
                .map(slot -> "; %s was given up: %s".formatted(slot.getKey().place(), slot.getValue()))
                .sorted()
                .limit(MAX_REASONS)
                .collect(Collectors.joining());
    }

    private String barred() {
        return new TreeMap<>(run.barred())
                .entrySet().stream()
                        .map(node -> "; node %s %s".formatted(node.getKey(), node.getValue()))
                        .collect(Collectors.joining());
    }
}
