// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.time.Duration;
import java.util.Optional;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.progress.BarView;
import org.chorale.node.progress.JsonView;
import org.chorale.node.progress.PlainView;
import org.chorale.node.progress.RunView;
import org.chorale.node.progress.StatusView;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.DescribeRun;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.WatchedEvent;
import picocli.CommandLine.Option;

/** What a command does with the status of a run: tells it, or looks on until the run has ended. */
final class WatchOptions {
    /** A cluster that says nothing for so long is asked whether it is still there. */
    private static final Duration SILENCE = Duration.ofSeconds(15);

    @Option(
            names = "--watch",
            description = "Look on until the run has ended. Ctrl-C ends the looking on, not the run.")
    private boolean watch;

    @Option(names = "--json", description = "Print JSON: the status, and one object per event.")
    private boolean json;

    boolean json() {
        return json;
    }

    int tell(Console console, ClusterClient client, RunStatus status) throws InterruptedException {
        if (json) {
            console.out().println(StatusView.json(status));
        } else {
            StatusView.lines(status).forEach(console.out()::println);
        }
        console.out().flush();
        return watch && !status.hasEnded() ? lookOn(console, client, status) : ExitCode.DONE;
    }

    private int lookOn(Console console, ClusterClient client, RunStatus status) throws InterruptedException {
        RunView view = view(console);
        Optional<RunEnded> end = Optional.empty();
        while (end.isEmpty()) {
            Optional<RunEvent> event = client.watch(status.getRun(), SILENCE).map(WatchedEvent::getEvent);
            if (event.isEmpty()) {
                event = ended(client, status.getRun());
            }
            event.ifPresent(view::show);
            end = event.filter(RunEvent::hasEnded).map(RunEvent::getEnded);
        }
        return exitCode(console, end.get());
    }

    /** Where the run's end was told while nobody could hear it. */
    private static Optional<RunEvent> ended(ClusterClient client, String run) throws InterruptedException {
        RunStatus now = client.ask(ClientRequest.newBuilder()
                        .setDescribe(DescribeRun.newBuilder().setRun(run)))
                .getStatus();
        return now.hasEnded()
                ? Optional.of(RunEvent.newBuilder().setEnded(now.getEnded()).build())
                : Optional.empty();
    }

    private RunView view(Console console) {
        if (json) {
            return new JsonView(console.out());
        }
        return console.terminal()
                ? new BarView(console.out(), console.columns(), false, System::nanoTime)
                : new PlainView(console.out(), false, System::nanoTime);
    }

    private int exitCode(Console console, RunEnded ended) {
        return switch (ended.getOutcome()) {
            case FINISHED -> ExitCode.DONE;
            case STOPPED -> ExitCode.INTERRUPTED;
            case FAILED, OUTCOME_UNSPECIFIED, UNRECOGNIZED -> {
                FaultCode code = FaultCode.valueOf(ended.getFaultCode());
                new ErrorReport(console, json, false).report(new Fault(code, ended.getMessage()));
                yield ExitCode.of(code.kind());
            }
        };
    }
}
