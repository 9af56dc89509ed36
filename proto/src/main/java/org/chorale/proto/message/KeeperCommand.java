// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import org.apache.pekko.actor.typed.ActorRef;

/** What the keeper of a worker's place is told: who starts a process there, and another when that one ends. */
public sealed interface KeeperCommand {
    /** Sent by the process: its worker is there, and has joined its coordinator. */
    record WorkerUp(int incarnation, ActorRef<WorkerCommand> worker) implements KeeperCommand {}

    /** What a keeper tells itself. */
    non-sealed interface Internal extends KeeperCommand {}
}
