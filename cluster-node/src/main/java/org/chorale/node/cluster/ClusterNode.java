// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import com.typesafe.config.Config;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.cluster.typed.Cluster;
import org.chorale.node.system.HostPort;
import org.chorale.node.system.SystemConfig;
import org.chorale.node.system.SystemEnd;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.RunsCommand;

/** A node in this process, from its start until it has left its cluster. */
public final class ClusterNode implements AutoCloseable {
    /** Handing over what it leads, leaving the cluster, and ending its workers. */
    private static final Duration LEAVING_LIMIT = Duration.ofSeconds(40);

    /** Ending its actors, and its workers by them, and then its connections. */
    private static final Duration TRANSPORT_LIMIT = Duration.ofSeconds(8);

    private final ActorSystem<Void> system;
    private final SystemEnd end;
    private final CompletableFuture<Fault> refused;

    private ClusterNode(ActorSystem<Void> system, CompletableFuture<Fault> refused) {
        this.system = system;
        this.end = SystemEnd.of(system, TRANSPORT_LIMIT);
        this.refused = refused;
    }

    /**
     * Begins.
     *
     * @param gpus names of those that its workers find, by number
     * @param runs who leads the runs, where it falls to this node
     * @throws FaultException ADDRESS_UNAVAILABLE where it cannot listen where it is to
     */
    public static ClusterNode start(NodeTerms terms, List<String> gpus, Supplier<Behavior<RunsCommand>> runs) {
        HostPort bind = terms.bind();
        Config member =
                terms.security().artery().withFallback(SystemConfig.member(bind.host(), bind.port(), withNode(terms)));
        CompletableFuture<Fault> refused = new CompletableFuture<>();
        try {
            return new ClusterNode(
                    ActorSystem.create(
                            NodeGuardian.create(terms, gpus, runs, refused),
                            SystemConfig.NODE,
                            SystemConfig.complete(member)),
                    refused);
        } catch (RuntimeException e) { // of a class that Pekko keeps to itself
            throw new FaultException(
                    FaultCode.ADDRESS_UNAVAILABLE,
                    "--bind %s: %s".formatted(bind, deepest(e).getMessage()),
                    e);
        }
    }

    private static List<String> withNode(NodeTerms terms) {
        return Stream.concat(Stream.of(NodeTerms.NODE), terms.roles().stream()).toList();
    }

    private static Throwable deepest(Throwable thrown) {
        Throwable cause = thrown.getCause();
        return cause == null || cause == thrown ? thrown : deepest(cause);
    }

    /** Where it listens. */
    public HostPort address() {
        Address self = Cluster.get(system).selfMember().address();
        return new HostPort(
                self.getHost().orElseThrow(), self.getPort().orElseThrow().intValue());
    }

    /** Does this once the node is a member of its cluster, be it now. */
    public void whenMember(Runnable action) {
        org.apache.pekko.cluster.Cluster.get(system).registerOnMemberUp(action);
    }

    /**
     * Returns once the node has left its cluster, was put out of it, or could not join it.
     *
     * @throws FaultException NODE_UNFIT where the cluster has refused it
     */
    public void awaitEnd() throws InterruptedException {
        end.await();
        if (refused.isDone()) {
            Fault fault = refused.join();
            throw new FaultException(fault.code(), "the cluster refuses this node: " + fault.message());
        }
    }

    /** Leaves the cluster in order. */
    @Override
    public void close() {
        end.bring(LEAVING_LIMIT);
    }
}
