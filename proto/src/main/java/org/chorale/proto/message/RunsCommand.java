// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;

/** What is told to whoever leads the runs of a cluster: by its nodes, and by clients through them. */
public sealed interface RunsCommand {
    /**
     * A node has joined the cluster. Said again every few seconds until it is answered by {@link NodeCommand.Accepted} or
     * {@link NodeCommand.Refused}. That a node is gone is known by watching it.
     *
     * @param address host and port by which the cluster knows it
     * @param host for people
     * @param roles such as worker and feeder
     * @param slots for workers, counted from 0; 0 where it has not the role
     * @param gpus names of those that its workers find, as {@code NVIDIA H200}, in the order of their numbers: the first is
     *     that of slot 0
     */
    record NodeJoined(
            String address,
            String host,
            List<String> roles,
            int slots,
            List<String> gpus,
            Preflight preflight,
            ActorRef<NodeCommand> node)
            implements RunsCommand {
        public NodeJoined {
            roles = List.copyOf(roles);
            gpus = List.copyOf(gpus);
        }
    }

    /**
     * What is compared before a node is used.
     *
     * @param chorale version
     * @param java version
     * @param classPathDigest SHA-256 over what is on the class path, but for what users have added with their own classes
     * @param freeMemoryBytes of the host
     * @param epochMillis by the node's clock when this was sent
     */
    record Preflight(String chorale, String java, String classPathDigest, long freeMemoryBytes, long epochMillis) {}

    /**
     * Answer to {@link NodeCommand.CheckRun}.
     *
     * @param usersClasses SHA-256 over what users have added to the node's class path; empty where the run names no class of
     *     theirs, so that it does not matter
     * @param fault what keeps the node from working for the run, if anything
     */
    record RunChecked(long inquiry, String address, String usersClasses, Optional<Fault> fault)
            implements RunsCommand {}

    /** Answer to {@link NodeCommand.EndRun}: nothing of the run is left on the node, its slots are free. */
    record RunLeft(String address, String run) implements RunsCommand {}

    /**
     * A client's request, which a node received.
     *
     * @param client where replies go: what {@code reply_to} names
     */
    record Asked(ClientRequest request, ActorRef<ClientReply> client) implements RunsCommand {}

    /** What the leader of the runs tells itself. */
    non-sealed interface Internal extends RunsCommand {}
}
