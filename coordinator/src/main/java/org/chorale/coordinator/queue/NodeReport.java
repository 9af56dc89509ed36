// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import org.chorale.proto.wire.NodeList;
import org.chorale.proto.wire.NodeStatus;

/** What clients are told of a cluster's nodes. */
final class NodeReport {
    private NodeReport() {}

    static NodeList of(RunQueue queue) {
        NodeList.Builder list = NodeList.newBuilder();
        for (ClusterNode node : queue.nodes()) {
            list.addNodes(NodeStatus.newBuilder()
                    .setAddress(node.address())
                    .setHost(node.host())
                    .addAllRoles(node.roles().stream().sorted().toList())
                    .setSlots(node.slots())
                    .setHeld(queue.held(node.name()))
                    .addAllGpus(node.gpus()));
        }
        return list.build();
    }
}
