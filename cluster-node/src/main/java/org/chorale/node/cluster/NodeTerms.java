// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.chorale.node.security.NodeSecurity;
import org.chorale.node.system.HostPort;

/**
 * What a node is told when it is started.
 *
 * @param bind where it listens, and by what others address it
 * @param join nodes of the cluster that it joins, of which one must answer; none for the first node of a cluster
 * @param roles what it can do
 * @param slots for workers; empty for as many as there are GPUs, and one where there is none
 */
public record NodeTerms(
        HostPort bind, List<HostPort> join, List<String> roles, Optional<Integer> slots, NodeSecurity security) {
    /** May lead the runs. */
    public static final String COORDINATOR = "coordinator";
    /** Has workers. */
    public static final String WORKER = "worker";
    /** Has feeders. */
    public static final String FEEDER = "feeder";

    /** What all nodes are, for whoever counts them. */
    static final String NODE = "node";

    private static final Set<String> ROLES = new TreeSet<>(List.of(COORDINATOR, WORKER, FEEDER));
    private static final int MAX_SLOTS = 256;

    public NodeTerms {
        join = List.copyOf(join);
        roles = List.copyOf(roles);
        if (roles.isEmpty() || !ROLES.containsAll(roles)) {
            throw new IllegalArgumentException(
                    "--roles %s: must be some of %s".formatted(String.join(",", roles), String.join(",", ROLES)));
        }
        if (slots.filter(number -> number < 1 || number > MAX_SLOTS).isPresent()) {
            throw new IllegalArgumentException(
                    "--slots %d: must be auto, or from 1 to %d".formatted(slots.get(), MAX_SLOTS));
        }
    }

    public boolean is(String role) {
        return roles.contains(role);
    }

    /**
     * Slots that the node has.
     *
     * @param gpus that its workers find
     */
    public int slots(int gpus) {
        return is(WORKER) ? slots.orElse(Math.max(1, gpus)) : 0;
    }
}
