// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.FeedSettings;
import org.chorale.model.outline.ConfigJson;
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
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEnded;

/** {@code chorale train}. */
record Training(Console console, boolean json, boolean verbose) {
    /** A step and a checkpoint of a large model may take minutes; whoever cannot wait has kill -9. */
    private static final Duration STOP_PATIENCE = Duration.ofMinutes(10);

    int run(Path file, List<String> assignments, Optional<Path> runDir) throws InterruptedException {
        RunConf conf = new RunFile(file, console.currentFolder()).resolve(assignments, runDir);
        NamedPaths.refuseMissing(conf);
        refuseMalformedModel(conf);
        try (RunDirectory directory = RunDirectory.open(conf.dir(), conf.text())) {
            return train(conf, directory);
        }
    }

    /**
     * The worker and the feeder read it at the same time; without this, whoever complained first would be heard. A
     * user's own model has none.
     */
    private static void refuseMalformedModel(RunConf conf) {
        ConfigReader.read(conf.text(), "model", FeedSettings.Model.class).path().ifPresent(ConfigJson::read);
    }

    private int train(RunConf conf, RunDirectory directory) throws InterruptedException {
        Duration timeout =
                ConfigReader.read(conf.text(), "run", RunSettings.class).progressTimeout();
        LocalCast cast = new LocalCast(conf.text(), directory);
        try (LocalRun run = LocalRun.start(cast, timeout, view())) {
            StopOnSignal stop = StopOnSignal.install(run, STOP_PATIENCE, console.err());
            int exitCode = tellEnd(run);
            boolean failed = exitCode != ExitCode.DONE && exitCode != ExitCode.INTERRUPTED;
            return failed ? exitCode : stop.exitCode(exitCode);
        }
    }

    private int tellEnd(LocalRun run) throws InterruptedException {
        try {
            return exitCode(run.await());
        } catch (FaultException e) {
            return new ErrorReport(console, json, false).report(e);
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
