// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.WorkerCommand;

/**
 * Where a worker is.
 *
 * @param worker its node and slot, such as {@code 10.0.0.7:2550/1}
 * @param incarnation of the process in this place, from 1
 * @param bindHost this host's own address, which other ranks reach it at and the only one that it listens on
 */
public record WorkerPlace(String worker, int incarnation, String bindHost) {
    /** Its number among the node's, from 0, which is also that of its GPU. */
    int slot() {
        return Integer.parseInt(worker.substring(worker.lastIndexOf('/') + 1));
    }

    /** As its worker announces itself from there. */
    WorkerJoined joinedBy(ActorRef<WorkerCommand> ref) {
        return new WorkerJoined(worker, incarnation, hostName(), threads(), ref);
    }

    /** Those of its matrix products decide the order of sums and so the last bits. */
    private static String threads() {
        String threads = System.getenv("OMP_NUM_THREADS");
        return "OMP_NUM_THREADS " + (threads == null ? "not set" : threads);
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost"; // a name for people; nothing connects to it
        }
    }
}
