// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.progress.BarView;
import org.chorale.node.progress.JsonView;
import org.chorale.node.progress.PlainView;
import org.chorale.node.progress.RunView;
import org.chorale.node.run.LocalCast;
import org.chorale.node.run.LocalRun;
import org.chorale.node.run.StopOnSignal;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.wire.RunEnded;

/** {@code chorale train}. */
record Training(Console console, boolean json, boolean verbose) {
    /** A step and a checkpoint of a large model may take minutes; whoever cannot wait has kill -9. */
    private static final Duration STOP_PATIENCE = Duration.ofMinutes(10);

    int run(Path file, List<String> assignments, Optional<Path> runDir) throws InterruptedException {
        RunConf conf = new RunFile(file, console.currentFolder()).resolve(assignments, runDir);
        NamedPaths.refuseMissing(conf);
        try (RunDirectory directory = RunDirectory.open(conf.dir(), conf.text())) {
            return exitCode(train(conf, directory));
        }
    }

    private RunEnded train(RunConf conf, RunDirectory directory) throws InterruptedException {
        Duration timeout =
                ConfigReader.read(conf.text(), "run", RunSettings.class).progressTimeout();
        LocalCast cast = new LocalCast(conf.text(), directory);
        try (LocalRun run = LocalRun.start(cast, timeout, view());
                StopOnSignal stop = StopOnSignal.install(run, STOP_PATIENCE, console.err())) {
            return run.await();
        }
    }

    private RunView view() {
        if (json) {
            return new JsonView(console.out());
        }
        return console.terminal()
                ? new BarView(console.out(), console.columns(), verbose, System::nanoTime)
                : new PlainView(console.out(), verbose, System::nanoTime);
    }

    private int exitCode(RunEnded ended) {
        return switch (ended.getOutcome()) {
            case FINISHED -> ExitCode.DONE;
            case STOPPED -> ExitCode.INTERRUPTED;
            case FAILED, OUTCOME_UNSPECIFIED, UNRECOGNIZED -> failed(ended);
        };
    }

    private int failed(RunEnded ended) {
        FaultCode code = FaultCode.valueOf(ended.getFaultCode());
        new ErrorReport(console, json, false).report(new Fault(code, ended.getMessage()));
        return ExitCode.of(code.kind());
    }
}
