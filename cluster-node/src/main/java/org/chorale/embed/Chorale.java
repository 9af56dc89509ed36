// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Extension;
import org.apache.pekko.actor.typed.ExtensionId;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.run.Cast;
import org.chorale.node.run.GuestRun;
import org.chorale.node.run.LocalCast;
import org.chorale.node.system.HostPort;
import org.chorale.pipeline.Pipeline;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunStatus;
import org.chorale.training.pipeline.LocalComponents;

/**
 * Chorale in an application's actor system:
 *
 * <pre>{@code
 * RunHandle run = Chorale.get(system).submit(pipeline);
 * run.events().runForeach(event -> ..., system);
 * run.result().thenAccept(ended -> ...);
 * }</pre>
 *
 * <p>Workers are child processes, so that a crash of libtorch is theirs, and the application's JVM is as before when a run is
 * over. They reach the application's actor system by Artery ({@code pekko.actor.provider} is {@code remote} or
 * {@code cluster}). With {@code parallel.isolation = in-process} they are threads of the application instead, which then
 * needs the JVM flags of {@code deploy/chorale}.
 *
 * <p>To submit reads and writes files: a thread of an actor is not the place for it.
 */
public final class Chorale implements Extension {
    private static final Id ID = new Id();

    private final ActorSystem<?> system;
    private final AtomicLong runs = new AtomicLong();

    private static final class Id extends ExtensionId<Chorale> {
        @Override
        public Chorale createExtension(ActorSystem<?> system) {
            return new Chorale(system);
        }
    }

    private Chorale(ActorSystem<?> system) {
        this.system = system;
    }

    /** The one of this actor system. */
    public static Chorale get(ActorSystem<?> system) {
        return system.registerExtension(ID);
    }

    /**
     * Trains a pipeline, or goes on where its run stopped. What exists in this process alone needs
     * {@code parallel.isolation = in-process}.
     *
     * @throws FaultException USER with what is wrong, a line per problem
     */
    public RunHandle submit(Pipeline pipeline) {
        return begin(pipeline.configuration(), pipeline::prepare);
    }

    /**
     * Trains as a file says, such as those in deploy/recipes, or goes on where that run stopped.
     *
     * @throws FaultException USER with what is wrong, a line per problem
     */
    public RunHandle submit(Path runFile) {
        return submit(new RunFile(runFile, currentFolder()).resolve(List.of(), Optional.empty()));
    }

    /**
     * Trains as a configuration says, which may leave out whatever has a default. Relative paths stand in the current folder.
     *
     * @throws FaultException USER with what is wrong, a line per problem
     */
    public RunHandle submit(Config run) {
        return submit(RunFile.resolve(run, currentFolder(), LocalComponents.none()));
    }

    private RunHandle submit(RunConf conf) {
        return begin(conf.text(), () -> {
            NamedPaths.refuseMissing(conf);
            return new LocalCast(conf.text(), RunDirectory.open(conf.dir(), conf.text()));
        });
    }

    /**
     * A cluster of Chorale, of which this application is a client.
     *
     * @param node one of its nodes, named as its {@code --bind} is: {@code 10.0.0.7:2550}
     */
    public ClusterRuns cluster(String node) {
        HostSystem.requireAddress(system, "a cluster cannot answer this actor system; set it to remote or cluster");
        try {
            return ClusterRuns.of(system, HostPort.parse(node));
        } catch (IllegalArgumentException e) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    private RunHandle begin(String runConf, Supplier<LocalCast> prepare) {
        ParallelSettings parallel = ConfigReader.read(runConf, "parallel", ParallelSettings.class);
        Optional<HostSystem> host = Optional.empty();
        if (parallel.isolation() != Isolation.IN_PROCESS) {
            host = Optional.of(HostSystem.of(system));
            RunConf unused = RunFile.recheck(runConf); // as a worker will build it
        }
        LocalCast local = prepare.get();
        try {
            return begin(
                    local, host.<Cast>map(found -> new HostCast(local, found)).orElse(local));
        } catch (RuntimeException e) { // the actor system is ending
            local.directory().close();
            throw e;
        }
    }

    private RunHandle begin(LocalCast local, Cast cast) {
        Duration timeout =
                ConfigReader.read(local.runConf(), "run", RunSettings.class).progressTimeout();
        String actor = "chorale-run-" + runs.incrementAndGet();
        return new HostedRun(
                submitted(local.runConf(), local.workers()),
                view -> GuestRun.start(system, actor, cast, timeout, view),
                local.directory()::close);
    }

    private static RunStatus submitted(String runConf, int workers) {
        Path directory = Path.of(ConfigFactory.parseString(runConf).getString("run.dir"));
        return RunProgress.submitted(
                String.valueOf(directory.getFileName()), directory.toString(), workers, System.currentTimeMillis());
    }

    private static Path currentFolder() {
        return Path.of("").toAbsolutePath();
    }
}
