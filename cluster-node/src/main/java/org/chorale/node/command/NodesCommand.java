// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.progress.NodesView;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.ListNodes;
import org.chorale.proto.wire.NodeStatus;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale nodes}. */
@Command(
        name = "nodes",
        description = "Lists the nodes of a cluster, with their slots for workers and their GPUs.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  chorale nodes --to 10.0.0.7"})
final class NodesCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Mixin
    private final ClusterOptions cluster = new ClusterOptions();

    @Option(names = "--json", description = "Print one JSON object per node.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        try (ClusterClient client = cluster.connect(console)) {
            List<NodeStatus> nodes = client.ask(ClientRequest.newBuilder().setNodes(ListNodes.getDefaultInstance()))
                    .getNodes()
                    .getNodesList();
            if (json) {
                nodes.forEach(node -> console.out().println(NodesView.json(node)));
            } else {
                NodesView.table(nodes).forEach(console.out()::println);
            }
            return ExitCode.DONE;
        }
    }
}
