// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import com.typesafe.config.Config;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.system.HostPort;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.ListRuns;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.SubmitRun;
import org.chorale.training.pipeline.LocalComponents;

/**
 * The runs of a cluster of Chorale, as a client sees them. The application's actor system need not be a member; the cluster
 * answers it by connections of its own, so that both use TLS, or neither.
 */
public final class ClusterRuns {
    private static final int PROTOCOL_VERSION = 1;

    /** A leader that is handed over may take as long to answer. */
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(20);

    /** A submission is checked on every node, where classes are loaded for it. */
    private static final Duration SUBMISSION_LIMIT = Duration.ofSeconds(90);

    private final ActorSystem<?> system;
    private final ActorRef<ClientRequest> gateway;
    private final String node;

    ClusterRuns(ActorSystem<?> system, ActorRef<ClientRequest> gateway, String node) {
        this.system = system;
        this.gateway = gateway;
        this.node = node;
    }

    static ClusterRuns of(ActorSystem<?> system, HostPort node) {
        String gateway = "pekko://%s@%s/user/%s".formatted(SystemConfig.NODE, node, SystemConfig.GATEWAY);
        return new ClusterRuns(system, ActorRefResolver.get(system).resolveActorRef(gateway), node.toString());
    }

    /**
     * Submits a run's file; its paths are those of the cluster's nodes. The stage fails with a {@link FaultException}: what
     * the cluster refuses, or NODE_UNREACHABLE.
     *
     * @throws FaultException USER with what is wrong with the file, a line per problem
     */
    public CompletionStage<RunHandle> submit(Path runFile) {
        Path folder = Path.of("").toAbsolutePath();
        return submit(new RunFile(runFile, folder).resolveForCluster(List.of(), Optional.empty()));
    }

    /** Likewise a configuration, such as {@code pipeline.configuration()} parsed. */
    public CompletionStage<RunHandle> submit(Config run) {
        return submit(RunFile.resolve(run, Path.of("").toAbsolutePath(), LocalComponents.none()));
    }

    private CompletionStage<RunHandle> submit(RunConf conf) {
        SubmitRun.Builder submission = SubmitRun.newBuilder().setRunConf(conf.text());
        return ask(ClientRequest.newBuilder().setSubmit(submission), SUBMISSION_LIMIT)
                .thenApply(reply -> run(reply.getStatus().getRun()));
    }

    /** A run that the cluster has, or had. */
    public RunHandle run(String name) {
        return new ClusterRun(this, system, name);
    }

    /** All runs that the cluster knows, in the order of their submission. */
    public CompletionStage<List<RunStatus>> list() {
        return ask(ClientRequest.newBuilder().setList(ListRuns.getDefaultInstance()))
                .thenApply(reply -> reply.getList().getRunsList());
    }

    CompletionStage<ClientReply> ask(ClientRequest.Builder request) {
        return ask(request, ANSWER_LIMIT);
    }

    private CompletionStage<ClientReply> ask(ClientRequest.Builder request, Duration limit) {
        return AskPattern.<ClientRequest, ClientReply>ask(
                        gateway, replyTo -> addressed(request, replyTo), limit, system.scheduler())
                .handle((reply, failure) -> reply == null ? silent(failure, limit) : accepted(reply))
                .thenCompose(answer -> answer);
    }

    void tell(ClientRequest.Builder request, ActorRef<ClientReply> replyTo) {
        gateway.tell(addressed(request, replyTo));
    }

    private ClientRequest addressed(ClientRequest.Builder request, ActorRef<ClientReply> replyTo) {
        return request.setProtocolVersion(PROTOCOL_VERSION)
                .setReplyTo(ActorRefResolver.get(system).toSerializationFormat(replyTo))
                .build();
    }

    private static CompletionStage<ClientReply> accepted(ClientReply reply) {
        return reply.hasRefused()
                ? CompletableFuture.failedFuture(refusal(reply))
                : CompletableFuture.completedFuture(reply);
    }

    static FaultException refusal(ClientReply reply) {
        return new FaultException(
                code(reply.getRefused().getFaultCode()), reply.getRefused().getMessage());
    }

    /** A newer cluster may have codes that this release does not know. */
    private static FaultCode code(String name) {
        try {
            return FaultCode.valueOf(name);
        } catch (IllegalArgumentException e) {
            return FaultCode.INTERNAL;
        }
    }

    private CompletionStage<ClientReply> silent(Throwable failure, Duration limit) {
        return CompletableFuture.failedFuture(
                failure instanceof TimeoutException
                        ? new FaultException(
                                FaultCode.NODE_UNREACHABLE,
                                ("%s has not answered within %d s: nothing or no node listens there, it is known by another name,"
                                                + " or only one of the two uses TLS")
                                        .formatted(node, limit.toSeconds()),
                                failure)
                        : failure);
    }
}
