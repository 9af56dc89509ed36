// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import com.typesafe.config.Config;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.worker.DeviceConfig;

/**
 * Each worker in a process of its own.
 *
 * @param bindHost the only address on which the processes listen
 * @param system configuration of their actor systems, over chorale-node.conf
 */
public record ChildProcesses(String bindHost, Config system, WorkerJvm jvm) implements Workplace {
    @Override
    public Behavior<KeeperCommand> keeper(String place, String runConf, ActorRef<CoordinatorCommand> coordinator) {
        WorkerJvm own = DeviceConfig.sharesGpus(runConf) ? jvm.sharingGpu(place) : jvm;
        return WorkerKeeper.create(new WorkerKeeper.Post(place, bindHost, SystemConfig.text(system), own), coordinator);
    }
}
