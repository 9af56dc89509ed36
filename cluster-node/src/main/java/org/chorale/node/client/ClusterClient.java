// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.client;

import com.google.errorprone.annotations.MustBeClosed;
import com.typesafe.config.Config;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.system.HostPort;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RequestRefused;
import org.chorale.proto.wire.WatchRun;
import org.chorale.proto.wire.WatchedEvent;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Talks with one node of a cluster, and through it with whoever leads the runs. Used by one thread; every question has a
 * deadline.
 */
public final class ClusterClient implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterClient.class);
    private static final int PROTOCOL_VERSION = 1;
    private static final int CONNECT_MILLIS = 5_000;

    /** A node that joins, or a leader that is handed over, may take as long to answer. */
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(10);

    /** A submission is checked on every node, where classes are loaded for it. */
    private static final Duration CHECK_LIMIT = Duration.ofSeconds(90);

    /** Whatever was asked is answered by now; with TLS, Artery now and then takes many seconds to end its streams. */
    private static final Duration CLOSING_LIMIT = Duration.ofSeconds(1);

    /** Events of a watched run that may be on their way. */
    private static final int CREDIT = 64;

    private static final Duration CREDIT_INTERVAL = Duration.ofSeconds(15);

    private static final int ANSWERS = 4; // one is asked for at a time

    private final HostPort node;
    private final Inbox inbox;
    private final ActorSystem<ClientReply> system;
    private final ActorRef<ClientRequest> gateway;
    private int outstanding; // credit for events that have not come yet
    private long creditedNanos;

    /** What has come from the cluster. More than was asked for is dropped. */
    private record Inbox(BlockingQueue<ClientReply> answers, BlockingQueue<WatchedEvent> events) {
        Inbox() {
            this(new ArrayBlockingQueue<>(ANSWERS), new ArrayBlockingQueue<>(CREDIT));
        }

        boolean take(ClientReply reply) {
            return reply.hasEvent() ? events.offer(reply.getEvent()) : answers.offer(reply);
        }
    }

    private ClusterClient(HostPort node, Inbox inbox, ActorSystem<ClientReply> system) {
        this.node = node;
        this.inbox = inbox;
        this.system = system;
        this.gateway = ActorRefResolver.get(system)
                .resolveActorRef("pekko://%s@%s/user/%s".formatted(SystemConfig.NODE, node, SystemConfig.GATEWAY));
    }

    /**
     * Begins.
     *
     * @param security for the host from which this client talks: transport and certificates
     * @throws FaultException NODE_UNREACHABLE where nothing listens there
     */
    @MustBeClosed
    public static ClusterClient connect(HostPort node, Function<String, Config> security) {
        String host = ownHost(node);
        Inbox inbox = new Inbox();
        Config remote = security.apply(host).withFallback(SystemConfig.remote(host, 0));
        ActorSystem<ClientReply> system = ActorSystem.create(
                Behaviors.receiveMessage(reply -> {
                    boolean taken = inbox.take(reply);
                    LOG.trace("{} from {}, taken: {}", reply.getReplyCase(), node, taken);
                    return Behaviors.same();
                }),
                "chorale-client",
                SystemConfig.complete(remote));
        return new ClusterClient(node, inbox, system);
    }

    /** The address of this machine from which the node is reached. */
    private static String ownHost(HostPort node) {
        InetSocketAddress there = new InetSocketAddress(node.host(), node.port());
        if (there.isUnresolved()) {
            throw unreachable(node, "its name is not known here", null);
        }
        try (Socket probe = new Socket()) {
            probe.connect(there, CONNECT_MILLIS);
        } catch (IOException e) {
            throw unreachable(node, String.valueOf(e.getMessage()), e);
        }
        try (DatagramSocket route = new DatagramSocket()) {
            route.connect(there);
            return route.getLocalAddress().getHostAddress();
        } catch (SocketException e) {
            throw unreachable(node, String.valueOf(e.getMessage()), e);
        }
    }

    private static FaultException unreachable(HostPort node, String why, @Nullable Throwable cause) {
        return new FaultException(
                FaultCode.NODE_UNREACHABLE,
                "no node answers at %s: %s. Name one as its --bind does, host and port".formatted(node, why),
                cause);
    }

    /**
     * Asks, and waits for the answer.
     *
     * @throws FaultException what the cluster answers in refusal, or NODE_UNREACHABLE
     */
    public ClientReply ask(ClientRequest.Builder request) throws InterruptedException {
        Duration limit = request.hasSubmit() ? CHECK_LIMIT : ANSWER_LIMIT;
        inbox.answers().clear(); // of a question that was given up
        send(request);
        ClientReply reply = inbox.answers().poll(limit.toMillis(), TimeUnit.MILLISECONDS);
        if (reply == null) {
            throw silence(limit);
        }
        return accepted(reply);
    }

    private void send(ClientRequest.Builder request) {
        gateway.tell(request.setProtocolVersion(PROTOCOL_VERSION)
                .setReplyTo(ActorRefResolver.get(system).toSerializationFormat(system))
                .build());
    }

    private FaultException silence(Duration limit) {
        return unreachable(
                node,
                "a connection is accepted there, but nothing was answered within %d s: it is no node, or known by another name,"
                                .formatted(limit.toSeconds())
                        + " certificates do not fit, or the cluster has no coordinator",
                null);
    }

    private static ClientReply accepted(ClientReply reply) {
        if (reply.hasRefused()) {
            RequestRefused refused = reply.getRefused();
            throw new FaultException(code(refused.getFaultCode()), refused.getMessage());
        }
        return reply;
    }

    /** A newer cluster may have codes that this release does not know. */
    private static FaultCode code(String name) {
        try {
            return FaultCode.valueOf(name);
        } catch (IllegalArgumentException e) {
            return FaultCode.INTERNAL;
        }
    }

    /**
     * The next event of a run: first those that say how it stands, then what happens.
     *
     * @param limit how long to wait for it
     * @return empty where nothing happened
     * @throws FaultException what the cluster answers in refusal
     */
    public Optional<WatchedEvent> watch(String run, Duration limit) throws InterruptedException {
        giveCredit(run);
        Optional<WatchedEvent> event =
                Optional.ofNullable(inbox.events().poll(limit.toMillis(), TimeUnit.MILLISECONDS));
        outstanding -= event.isPresent() ? 1 : 0;
        if (event.isEmpty()) {
            Optional.ofNullable(inbox.answers().poll()).ifPresent(ClusterClient::accepted);
        }
        return event;
    }

    /** In time, also where there is nothing to give: a client that is not heard is forgotten. */
    private void giveCredit(String run) {
        long now = System.nanoTime();
        if (outstanding <= CREDIT / 2 || now - creditedNanos > CREDIT_INTERVAL.toNanos()) {
            send(ClientRequest.newBuilder()
                    .setWatch(WatchRun.newBuilder().setRun(run).setCredit(CREDIT - outstanding)));
            outstanding = CREDIT;
            creditedNanos = now;
        }
    }

    @Override
    public void close() {
        system.terminate();
        try {
            system.getWhenTerminated().toCompletableFuture().get(CLOSING_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            // the process ends next
        }
    }
}
