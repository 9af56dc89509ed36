// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.SubmitRun;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale submit}. */
@Command(
        name = "submit",
        description = "Hands a run to a cluster, which trains it whether or not anybody looks on.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Paths are those of the cluster's nodes, which share a file system. A run waits in line until as many workers"
                    + " are free as it asks for. Users' classes must be on the nodes' class path.",
            "",
            "Example:",
            "  chorale submit my.conf --to 10.0.0.7 parallel.workers=4 --watch"
        })
final class SubmitCommand implements Callable<Integer> {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Mixin
    private final ClusterOptions cluster = new ClusterOptions();

    @Mixin
    private final WatchOptions watching = new WatchOptions();

    @Mixin
    private final RunFileParameters run = new RunFileParameters();

    @Option(
            names = "--run-dir",
            paramLabel = "DIR",
            description = "The run directory. Default: runs/ and the name of RUN.conf.")
    private Optional<Path> runDir = Optional.empty();

    @Option(
            names = "--name",
            paramLabel = "RUN",
            description = "What the run is called in the cluster. Default: the name of the run directory.")
    private String name = "";

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        RunConf conf = new RunFile(run.file(), console.currentFolder()).resolveForCluster(run.assignments(), runDir);
        try (ClusterClient client = cluster.connect(console)) {
            RunStatus accepted = client.ask(ClientRequest.newBuilder()
                            .setSubmit(SubmitRun.newBuilder()
                                    .setRunConf(conf.text())
                                    .setName(name)))
                    .getStatus();
            return watching.tell(console, client, accepted);
        }
    }
}
