// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;

/**
 * What a node offers to its cluster.
 *
 * @param address host and port by which the cluster knows it
 * @param host for people
 * @param slots for workers
 */
public record Offer(String address, String host, List<String> roles, int slots) {
    public Offer {
        roles = List.copyOf(roles);
    }

    RunsCommand.NodeJoined by(ActorRef<NodeCommand> node, RunsCommand.Preflight preflight) {
        return new RunsCommand.NodeJoined(address, host, roles, slots, preflight, node);
    }
}
