// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.stream.IntStream;
import org.chorale.proto.wire.Gathering;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankGroup;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.proto.wire.UnitPlan;

/** Plans as a coordinator would make them: full shard over all ranks. */
final class Plans {
    /** Elements of fp32 in 256 bytes, at which parameters begin. */
    private static final long ALIGNMENT = 64;

    private Plans() {}

    /** One flat buffer per unit, parameters one after the other, cut evenly. */
    static ShardPlan fullShard(ModelOutline outline, int worldSize) {
        Iterable<Integer> all = IntStream.range(0, worldSize).boxed().toList();
        ShardPlan.Builder plan = ShardPlan.newBuilder()
                .setWorldSize(worldSize)
                .setGathering(Gathering.PER_USE)
                .setReduceEachMicroBatch(true)
                .addShardGroups(RankGroup.newBuilder().addAllRanks(all));
        all.forEach(rank -> plan.addReplicaGroups(RankGroup.newBuilder().addRanks(rank)));
        outline.getUnitsList().forEach(unit -> plan.addUnits(unit(unit, worldSize)));
        return plan.build();
    }

    private static UnitPlan unit(UnitOutline unit, int worldSize) {
        GroupPlan.Builder group = GroupPlan.newBuilder().setDtype("F32").setTrainable(true);
        unit.getParametersList().forEach(parameter -> {
            long elements = parameter.getShapeList().stream().reduce(1L, Math::multiplyExact);
            group.addSegments(SegmentPlan.newBuilder()
                    .setParameter(parameter.getName())
                    .addAllShape(parameter.getShapeList())
                    .setOffset(group.getElements()));
            group.setElements(group.getElements() + roundedUp(elements, ALIGNMENT));
        });
        group.setElements(roundedUp(group.getElements(), worldSize));
        long part = group.getElements() / worldSize;
        IntStream.range(0, worldSize)
                .forEach(rank -> group.addSlices(RankSlice.newBuilder()
                        .setRank(rank)
                        .setFrom(rank * part)
                        .setUntil((rank + 1) * part)));
        return UnitPlan.newBuilder().setName(unit.getName()).addGroups(group).build();
    }

    private static long roundedUp(long elements, long multiple) {
        return (elements + multiple - 1) / multiple * multiple;
    }
}
