// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.RunsCommand.RunChecked;

/** Nodes that came after a run was submitted, and have yet to say whether they can work for it. */
final class LateChecks {
    /** Why a node that has not answered is not used. */
    static final String ASKED = "has yet to say whether it can work for the run";

    /**
     * What a node has said.
     *
     * @param objection why it is not used, as the end of "node ... "; empty where it can be
     */
    record Verdict(ClusterRun run, String node, Optional<String> objection) {}

    private record Check(ClusterRun run, String node) {}

    private final Map<Long, Check> open = new HashMap<>();

    void begin(long number, ClusterRun run, String node) {
        open.put(number, new Check(run, node));
    }

    Optional<Verdict> onChecked(RunChecked checked) {
        return Optional.ofNullable(open.remove(checked.inquiry()))
                .map(check -> new Verdict(check.run(), check.node(), objection(check.run(), checked)));
    }

    private static Optional<String> objection(ClusterRun run, RunChecked checked) {
        Optional<String> fault = checked.fault().map(Fault::message).map(LateChecks::cannot);
        if (fault.isPresent() || run.hasLikeClasses(checked.usersClasses())) {
            return fault;
        }
        return Optional.of("holds something else on CHORALE_CLASS_PATH than the nodes before it");
    }

    private static String cannot(String message) {
        return "cannot work for the run: " + String.join("; ", message.lines().toList());
    }

    Optional<Verdict> onSilence(long number, long seconds) {
        return Optional.ofNullable(open.remove(number))
                .map(check -> new Verdict(
                        check.run(),
                        check.node(),
                        Optional.of(
                                "has not said within %d seconds whether it can work for the run".formatted(seconds))));
    }
}
