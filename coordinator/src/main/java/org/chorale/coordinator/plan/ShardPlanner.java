// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.proto.wire.UnitPlan;

/**
 * Cuts a model into shards. Every unit has one flat buffer per (stored dtype, trainable or frozen); in it each
 * parameter starts at a multiple of 256 bytes, and every rank owns an equal, aligned slice:
 *
 * <pre>
 * | parameter 0 | pad | parameter 1 | pad | ... | tail |
 * |   rank 0        |   rank 1        |   rank 2       |
 * </pre>
 *
 * A slice may begin in the middle of a parameter, and a rank may own padding only.
 */
public final class ShardPlanner {
    private static final String MASTER_DTYPE = "F32";
    private static final int MASTER_BYTES = 4;

    /** What kernels and collectives want buffers to be aligned to. */
    private static final int ALIGNMENT_BYTES = 256;

    private static final long ALIGNMENT = ALIGNMENT_BYTES / MASTER_BYTES;

    private record GroupKey(String storedDtype, boolean trainable) {}

    private ShardPlanner() {}

    /** The plan for this many ranks; the same outline always gives the same plan. */
    public static ShardPlan plan(ModelOutline outline, int worldSize) {
        if (worldSize < 1) {
            throw new IllegalArgumentException("world size " + worldSize + ": must be at least 1");
        }
        return ShardPlan.newBuilder()
                .setWorldSize(worldSize)
                .addAllUnits(outline.getUnitsList().stream()
                        .map(unit -> unit(unit, worldSize))
                        .toList())
                .build();
    }

    /** Groups stand in the order of their first parameters. */
    private static UnitPlan unit(UnitOutline unit, int worldSize) {
        Map<GroupKey, List<ParameterOutline>> groups = unit.getParametersList().stream()
                .collect(Collectors.groupingBy(
                        parameter -> new GroupKey(parameter.getStoredDtype(), parameter.getTrainable()),
                        LinkedHashMap::new,
                        Collectors.toList()));
        Collection<List<ParameterOutline>> members = groups.values();
        return UnitPlan.newBuilder()
                .setName(unit.getName())
                .addAllGroups(
                        members.stream().map(group -> group(group, worldSize)).toList())
                .build();
    }

    private static GroupPlan group(List<ParameterOutline> parameters, int worldSize) {
        GroupPlan.Builder group = GroupPlan.newBuilder()
                .setDtype(MASTER_DTYPE)
                .setTrainable(parameters.get(0).getTrainable());
        long offset = 0;
        for (ParameterOutline parameter : parameters) {
            group.addSegments(SegmentPlan.newBuilder()
                    .setParameter(parameter.getName())
                    .addAllShape(parameter.getShapeList())
                    .setOffset(offset));
            offset = roundUp(Math.addExact(offset, Fitness.elements(parameter)), ALIGNMENT);
        }
        long elements = roundUp(offset, worldSize * ALIGNMENT);
        return group.setElements(elements)
                .addAllSlices(slices(elements, worldSize))
                .build();
    }

    private static List<RankSlice> slices(long elements, int worldSize) {
        long perRank = elements / worldSize;
        return IntStream.range(0, worldSize)
                .mapToObj(rank -> RankSlice.newBuilder()
                        .setRank(rank)
                        .setFrom(rank * perRank)
                        .setUntil((rank + 1) * perRank)
                        .build())
                .toList();
    }

    private static long roundUp(long value, long multiple) {
        return Math.multiplyExact(Math.addExact(value, multiple - 1) / multiple, multiple);
    }
}
