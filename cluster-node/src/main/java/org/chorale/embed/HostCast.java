// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import com.typesafe.config.Config;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.node.process.ChildProcesses;
import org.chorale.node.process.WorkerJvm;
import org.chorale.node.run.Cast;
import org.chorale.node.run.LocalCast;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEvent;

/** Coordinator and feeders in the application's actor system, workers in child processes of its JVM. */
record HostCast(LocalCast cast, HostSystem host) implements Cast {
    @Override
    public String runConf() {
        return cast.runConf();
    }

    @Override
    public int workers() {
        return cast.workers();
    }

    @Override
    public int feeders() {
        return cast.feeders();
    }

    @Override
    public Config system() {
        return host.workers();
    }

    @Override
    public Behavior<CoordinatorCommand> coordinator(ActorRef<RunEvent> listener) {
        return cast.coordinator(listener);
    }

    /** Workers of one machine form their groups on its loopback, wherever they listen. */
    @Override
    public Behavior<NodeCommand> node(ActorRef<RunsCommand> launcher) {
        WorkerJvm jvm = WorkerJvm.likeThis(workers());
        return LocalCast.node(new ChildProcesses(SystemConfig.LOOPBACK, host.workers(), jvm), launcher);
    }
}
