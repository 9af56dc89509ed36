// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.chorale.node.client.ClusterClient;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.DescribeRun;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/** {@code chorale status}. */
@Command(
        name = "status",
        description = "Says how far a run of a cluster is, what it waits for, and what its workers hold.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  chorale status my-run --to 10.0.0.7 --json | jq .step.loss"})
final class StatusCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Mixin
    private final ClusterOptions cluster = new ClusterOptions();

    @Mixin
    private final WatchOptions watching = new WatchOptions();

    @Parameters(
            arity = "0..1",
            paramLabel = "RUN",
            description = "Its name. Where it is not given: all runs of the cluster, as chorale runs tells them.")
    private Optional<String> run = Optional.empty();

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        try (ClusterClient client = cluster.connect(console)) {
            if (run.isEmpty()) {
                return RunsCommand.list(console, client, watching.json());
            }
            return watching.tell(
                    console,
                    client,
                    client.ask(ClientRequest.newBuilder()
                                    .setDescribe(DescribeRun.newBuilder().setRun(run.get())))
                            .getStatus());
        }
    }
}
