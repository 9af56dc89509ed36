// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import com.typesafe.config.Config;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.ClusterSingleton;
import org.apache.pekko.cluster.typed.ClusterSingletonSettings;
import org.apache.pekko.cluster.typed.Join;
import org.apache.pekko.cluster.typed.JoinSeedNodes;
import org.apache.pekko.cluster.typed.SingletonActor;
import org.chorale.node.agent.NodeActor;
import org.chorale.node.agent.Offer;
import org.chorale.node.process.ChildProcesses;
import org.chorale.node.process.WorkerJvm;
import org.chorale.node.system.HostPort;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;

/** Starts what a node consists of, and has it join its cluster, or found one. */
final class NodeGuardian {
    private static final String PROTOCOL = "pekko";

    private NodeGuardian() {}

    /**
     * A guardian that begins at once, and ends where the cluster refuses the node.
     *
     * @param gpus names of those that its workers find
     * @param runs who leads the runs; there is one in a cluster
     * @param refused completed with the reason then
     */
    static Behavior<Void> create(
            NodeTerms terms,
            List<String> gpus,
            Supplier<Behavior<RunsCommand>> runs,
            CompletableFuture<Fault> refused) {
        return Behaviors.setup(context -> {
            ActorRef<RunsCommand> leader = ClusterSingleton.get(context.getSystem())
                    .init(SingletonActor.of(runs.get(), "runs")
                            .withSettings(ClusterSingletonSettings.create(context.getSystem())
                                    .withRole(NodeTerms.COORDINATOR)));
            context.watch(context.spawn(Gateway.create(leader), SystemConfig.GATEWAY));
            context.watch(context.spawn(agent(context, terms, gpus, leader, refused), "agent"));
            join(Cluster.get(context.getSystem()), terms);
            return Behaviors.empty();
        });
    }

    private static Behavior<NodeCommand> agent(
            ActorContext<Void> context,
            NodeTerms terms,
            List<String> gpus,
            ActorRef<RunsCommand> leader,
            CompletableFuture<Fault> refused) {
        Config workers = terms.security()
                .artery()
                .withFallback(SystemConfig.remote(terms.bind().host(), 0));
        int slots = terms.slots(gpus.size());
        return NodeActor.member(
                new Offer(address(context), hostName(), terms.roles(), slots, gpus),
                new ChildProcesses(terms.bind().host(), workers, WorkerJvm.likeThis(Math.max(slots, 1))),
                leader,
                why -> {
                    refused.complete(why);
                    context.getSystem().terminate();
                });
    }

    private static String address(ActorContext<Void> context) {
        Address self = Cluster.get(context.getSystem()).selfMember().address();
        return self.getHost().orElseThrow() + ":" + self.getPort().orElseThrow();
    }

    private static void join(Cluster cluster, NodeTerms terms) {
        if (terms.join().isEmpty()) {
            cluster.manager().tell(Join.create(cluster.selfMember().address()));
        } else {
            cluster.manager()
                    .tell(new JoinSeedNodes(
                            terms.join().stream().map(NodeGuardian::node).toList()));
        }
    }

    private static Address node(HostPort at) {
        return new Address(PROTOCOL, SystemConfig.NODE, at.host(), at.port());
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost"; // a name for people; nothing connects to it
        }
    }
}
