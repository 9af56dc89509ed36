// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.proto.pulse.Pulse;
import org.chorale.proto.wire.RankGroup;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.GlooCollectives;
import org.chorale.tensor.collective.Rendezvous;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.Gathering;
import org.chorale.training.shard.RankGroups;

/** Where the ranks of a generation find each other, and form the groups of the plan. */
final class RankMeeting {
    /** Of one operation; {@code run.progress-timeout} may be longer. */
    private static final Duration LONGEST_WAIT = Duration.ofDays(1);

    private RankMeeting() {}

    /**
     * Joins the others; waits until all are there.
     *
     * @param device that this rank computes with, bound to the calling thread
     * @param cancellation ends the wait, and later whatever is done in the groups
     * @throws org.chorale.tensor.collective.CollectiveException where a rank does not come, or once cancelled
     */
    static RankGroups join(ShardCommand.Load command, Device device, Cancellation cancellation) {
        TakeShard order = command.order();
        ShardPlan plan = order.plan();
        Rendezvous rendezvous =
                new Rendezvous(Path.of(order.rendezvous()), command.place().bindHost(), patience(order.runConf()));
        Deque<Collectives> joined = new ArrayDeque<>();
        try {
            Collectives hosts =
                    GlooCollectives.join(rendezvous, order.rank(), plan.getWorldSize(), cancellation::isCancelled);
            joined.push(hosts);
            cancellation.attach(hosts);
            Collectives world = command.devices().join(hosts, device, rendezvous.timeout(), cancellation::isCancelled);
            joined.push(world);
            cancellation.attach(world);
            Collectives shard = subgroup(world, "shard", plan.getShardGroupsList());
            joined.push(shard);
            Collectives replicas = subgroup(world, "replicas", plan.getReplicaGroupsList());
            joined.push(replicas);
            return new RankGroups(world, shard, replicas, gathering(plan), plan.getReduceEachMicroBatch());
        } catch (RuntimeException e) {
            cancellation.detach();
            joined.forEach(Collectives::close);
            throw e;
        }
    }

    private static Collectives subgroup(Collectives world, String kind, List<RankGroup> groups) {
        for (int i = 0; i < groups.size(); i++) {
            if (groups.get(i).getRanksList().contains(world.rank())) {
                return world.subgroup(kind + "-" + i, groups.get(i).getRanksList());
            }
        }
        throw new IllegalArgumentException("the plan has no %s group with rank %d".formatted(kind, world.rank()));
    }

    private static Gathering gathering(ShardPlan plan) {
        return switch (plan.getGathering()) {
            case PER_USE -> Gathering.PER_USE;
            case PER_STEP -> Gathering.PER_STEP;
            case ALWAYS -> Gathering.ALWAYS;
            case GATHERING_UNSPECIFIED, UNRECOGNIZED ->
                throw new IllegalArgumentException("the plan does not say how long whole parameters are held");
        };
    }

    /** How long one operation may take. */
    static Duration patience(String runConf) {
        Duration timeout =
                ConfigReader.read(runConf, "run", Pulse.Patience.class).progressTimeout();
        return timeout.compareTo(LONGEST_WAIT) < 0 ? timeout : LONGEST_WAIT;
    }
}
