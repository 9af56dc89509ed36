// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.typesafe.config.Config;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.coordinator.Coordinator;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.node.agent.NodeActor;
import org.chorale.node.agent.Offer;
import org.chorale.node.process.ChildProcesses;
import org.chorale.node.process.ThisProcess;
import org.chorale.node.process.WorkerJvm;
import org.chorale.node.process.Workplace;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEvent;
import org.chorale.training.pipeline.LocalComponents;

/**
 * The real ones: coordinator and feeders in this process, and workers as {@code parallel.isolation} says, in this process or
 * each in a child of it.
 *
 * @param runConf the configuration as resolved, in HOCON
 * @param directory of the run, opened
 * @param local components that only this process has
 * @param parallel of the run
 */
public record LocalCast(String runConf, RunDirectory directory, LocalComponents local, ParallelSettings parallel)
        implements Cast {
    /** In places, such as {@code local/0}; the only node needs no address. */
    static final String NODE = "local";

    public LocalCast(String runConf, RunDirectory directory, LocalComponents local) {
        this(runConf, directory, local, ConfigReader.read(runConf, "parallel", ParallelSettings.class));
    }

    /** A run whose configuration says everything. */
    public LocalCast(String runConf, RunDirectory directory) {
        this(runConf, directory, LocalComponents.none());
    }

    /** The same with all workers in this process, whatever the configuration says. */
    public LocalCast withWorkersHere() {
        return new LocalCast(runConf, directory, local, parallel.with(Isolation.IN_PROCESS));
    }

    @Override
    public int workers() {
        return parallel.workers();
    }

    @Override
    public int feeders() {
        return parallel.feeders();
    }

    @Override
    public Config system() {
        return inProcess() ? SystemConfig.local() : SystemConfig.remote(SystemConfig.LOOPBACK, 0);
    }

    @Override
    public Behavior<CoordinatorCommand> coordinator(ActorRef<RunEvent> listener) {
        return Coordinator.create(runConf, directory, listener);
    }

    @Override
    public Behavior<NodeCommand> node(ActorRef<RunsCommand> launcher) {
        Workplace workplace = inProcess()
                ? new ThisProcess(SystemConfig.LOOPBACK, local)
                : new ChildProcesses(SystemConfig.LOOPBACK, system(), WorkerJvm.likeThis(workers()));
        return node(workplace, launcher);
    }

    /** The agent of a machine whose workers are there. */
    public static Behavior<NodeCommand> node(Workplace workplace, ActorRef<RunsCommand> launcher) {
        return NodeActor.local(new Offer(NODE, NODE, List.of(), 0, List.of()), workplace, launcher);
    }

    private boolean inProcess() {
        return parallel.isolation() == Isolation.IN_PROCESS;
    }
}
