// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.progress.StatusView;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.ListRuns;
import org.chorale.proto.wire.RunStatus;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale runs}. */
@Command(
        name = "runs",
        description = "Lists the runs of a cluster, in the order in which they were submitted.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  chorale runs --to 10.0.0.7"})
final class RunsCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Mixin
    private final ClusterOptions cluster = new ClusterOptions();

    @Option(names = "--json", description = "Print one JSON object per run.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        try (ClusterClient client = cluster.connect(console)) {
            return list(console, client, json);
        }
    }

    static int list(Console console, ClusterClient client, boolean json) throws InterruptedException {
        List<RunStatus> runs = client.ask(ClientRequest.newBuilder().setList(ListRuns.getDefaultInstance()))
                .getList()
                .getRunsList();
        if (json) {
            runs.forEach(run -> console.out().println(StatusView.json(run)));
        } else {
            StatusView.table(runs).forEach(console.out()::println);
        }
        return ExitCode.DONE;
    }
}
