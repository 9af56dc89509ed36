// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.chorale.proto.wire.NodeStatus;

/** The nodes of a cluster, for people and for programs. */
public final class NodesView {
    private static final List<String> HEADINGS = List.of("NODE", "HOST", "ROLES", "SLOTS", "FREE", "GPUS");

    private NodesView() {}

    /** A line per node below a line of headings. */
    public static List<String> table(List<NodeStatus> nodes) {
        return Table.lines(HEADINGS, nodes.stream().map(NodesView::row));
    }

    private static List<String> row(NodeStatus node) {
        return List.of(
                node.getAddress(),
                node.getHost(),
                String.join(",", node.getRolesList()),
                Wording.count(node.getSlots()),
                Wording.count(node.getSlots() - node.getHeld()),
                node.getGpusCount() == 0 ? "-" : gpus(node.getGpusList()));
    }

    /** What a node has for workers. */
    public static String room(int slots, List<String> gpus) {
        return "%d slot(s) and %s".formatted(slots, gpus.isEmpty() ? "no GPU" : gpus(gpus));
    }

    /** 2 x NVIDIA H200, 1 x NVIDIA L4. */
    private static String gpus(List<String> names) {
        Map<String, Long> counts =
                names.stream().collect(Collectors.groupingBy(name -> name, LinkedHashMap::new, Collectors.counting()));
        return counts.entrySet().stream()
                .map(kind -> kind.getValue() + " x " + kind.getKey())
                .collect(Collectors.joining(", "));
    }

    /** One object. */
    public static ObjectNode json(NodeStatus node) {
        ObjectNode json = JsonView.event("node")
                .put("address", node.getAddress())
                .put("host", node.getHost())
                .put("slots", node.getSlots())
                .put("held", node.getHeld());
        ArrayNode roles = json.putArray("roles");
        node.getRolesList().forEach(roles::add);
        ArrayNode gpus = json.putArray("gpus");
        node.getGpusList().forEach(gpus::add);
        return json;
    }
}
