// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import java.util.List;
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
 * @param slots for workers
 */
public record NodeTerms(HostPort bind, List<HostPort> join, List<String> roles, int slots, NodeSecurity security) {
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
        if (slots < 1 || slots > MAX_SLOTS) {
            throw new IllegalArgumentException("--slots %d: must be from 1 to %d".formatted(slots, MAX_SLOTS));
        }
    }

    boolean is(String role) {
        return roles.contains(role);
    }
}
