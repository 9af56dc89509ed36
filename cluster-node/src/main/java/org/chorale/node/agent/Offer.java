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
 * @param gpus names of those that the workers find, by number
 */
public record Offer(String address, String host, List<String> roles, int slots, List<String> gpus) {
    public Offer {
        roles = List.copyOf(roles);
        gpus = List.copyOf(gpus);
    }

    RunsCommand.NodeJoined by(ActorRef<NodeCommand> node, RunsCommand.Preflight preflight) {
        return new RunsCommand.NodeJoined(address, host, roles, slots, gpus, preflight, node);
    }
}
