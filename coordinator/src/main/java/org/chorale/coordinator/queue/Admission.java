// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.RunsCommand.NodeJoined;
import org.chorale.proto.message.RunsCommand.Preflight;

/** What all nodes of a cluster must have in common with the one that leads. */
final class Admission {
    /** Nodes' clocks date metrics and logs; more than this, and what happened first can no longer be told. */
    private static final long MAX_CLOCK_DIFFERENCE_MILLIS = 5_000;

    /** A worker that holds no model at all takes as much. */
    private static final long MIN_BYTES_A_SLOT = 256L << 20;

    private Admission() {}

    /** Everything for which a node can never be used; empty where it fits. */
    static Optional<Fault> refusal(Preflight own, NodeJoined node) {
        Preflight its = node.preflight();
        List<String> lines = new ArrayList<>();
        compare(lines, "Chorale", own.chorale(), its.chorale());
        compare(lines, "Java", own.java(), its.java());
        compare(lines, "a class path of SHA-256", own.classPathDigest(), its.classPathDigest());
        if (its.freeMemoryBytes() < node.slots() * MIN_BYTES_A_SLOT) {
            lines.add("it has %,d bytes of free memory; %d slots take at least %,d"
                    .formatted(its.freeMemoryBytes(), node.slots(), node.slots() * MIN_BYTES_A_SLOT));
        }
        return lines.isEmpty()
                ? Optional.empty()
                : Optional.of(new Fault(
                        FaultCode.NODE_UNFIT,
                        "node %s (%s): %s".formatted(node.address(), node.host(), String.join("; ", lines))));
    }

    private static void compare(List<String> lines, String what, String own, String its) {
        if (!own.equals(its)) {
            lines.add("it has %s %s, the cluster has %s %s".formatted(what, its, what, own));
        }
    }

    /** Why a node is not used yet: its word may also have been long on the way, so that it is asked again. */
    static Optional<String> clockDiffers(NodeJoined node, long nowMillis) {
        long difference = node.preflight().epochMillis() - nowMillis;
        return Math.abs(difference) <= MAX_CLOCK_DIFFERENCE_MILLIS
                ? Optional.empty()
                : Optional.of(
                        "node %s (%s): its clock is %s by %.1f seconds; it is not used before the clocks agree within %d"
                                .formatted(
                                        node.address(),
                                        node.host(),
                                        difference > 0 ? "ahead" : "behind",
                                        Math.abs(difference) / 1000.0,
                                        MAX_CLOCK_DIFFERENCE_MILLIS / 1000));
    }
}
