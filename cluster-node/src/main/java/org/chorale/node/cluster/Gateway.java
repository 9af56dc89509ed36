// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.chorale.node.system.Release;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RequestRefused;

/** Where clients of any release reach a cluster, on every node: passes requests on to whoever leads the runs. */
final class Gateway extends AbstractBehavior<ClientRequest> {
    /** Newest form of requests that this release answers. */
    private static final int PROTOCOL_VERSION = 1;

    /** Longest text of an actor's reference. */
    private static final int MAX_REFERENCE_CHARS = 1024;

    private final ActorRef<RunsCommand> leader;

    private Gateway(ActorContext<ClientRequest> context, ActorRef<RunsCommand> leader) {
        super(context);
        this.leader = leader;
    }

    static Behavior<ClientRequest> create(ActorRef<RunsCommand> leader) {
        return Behaviors.setup(context -> new Gateway(context, leader));
    }

    @Override
    public Receive<ClientRequest> createReceive() {
        return newReceiveBuilder()
                .onMessage(ClientRequest.class, this::onRequest)
                .build();
    }

    private Behavior<ClientRequest> onRequest(ClientRequest request) {
        String replyTo = request.getReplyTo();
        if (replyTo.length() > MAX_REFERENCE_CHARS) {
            getContext().getLog().warn("a client's request names no actor for the reply");
            return this;
        }
        ActorRef<ClientReply> client;
        try {
            client = ActorRefResolver.get(getContext().getSystem()).resolveActorRef(replyTo);
        } catch (IllegalArgumentException e) { // there is nobody to whom it could be told
            getContext().getLog().warn("a client's request names no actor for the reply: {}", replyTo);
            return this;
        }
        pass(request, client);
        return this;
    }

    private void pass(ClientRequest request, ActorRef<ClientReply> client) {
        if (request.getProtocolVersion() > PROTOCOL_VERSION) {
            client.tell(refusal("the request has form %d of a newer release: Chorale %s answers form %d"
                    .formatted(request.getProtocolVersion(), Release.version(), PROTOCOL_VERSION)));
        } else if (request.getRequestCase() == ClientRequest.RequestCase.REQUEST_NOT_SET) {
            client.tell(refusal("the request asks for nothing that Chorale %s knows".formatted(Release.version())));
        } else {
            leader.tell(new RunsCommand.Asked(request, client));
        }
    }

    private static ClientReply refusal(String message) {
        return ClientReply.newBuilder()
                .setRefused(RequestRefused.newBuilder()
                        .setFaultCode(FaultCode.COMMAND_INVALID.name())
                        .setMessage(message))
                .build();
    }
}
