// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Objects;
import java.util.concurrent.Callable;
import org.chorale.node.client.ClusterClient;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.StopRunRequest;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/** {@code chorale stop}. */
@Command(
        name = "stop",
        description = "Has a run of a cluster finish its step, write a checkpoint and end; or leave the line.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A run that is submitted again goes on from there.",
            "",
            "Example:",
            "  chorale stop my-run --to 10.0.0.7"
        })
final class StopCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Mixin
    private final ClusterOptions cluster = new ClusterOptions();

    @Mixin
    private final WatchOptions watching = new WatchOptions();

    @Parameters(paramLabel = "RUN", description = "Its name.")
    private String run = "";

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        try (ClusterClient client = cluster.connect(console)) {
            return watching.tell(
                    console,
                    client,
                    client.ask(ClientRequest.newBuilder()
                                    .setStop(StopRunRequest.newBuilder()
                                            .setRun(run)
                                            .setReason("a client asked for it")))
                            .getStatus());
        }
    }
}
