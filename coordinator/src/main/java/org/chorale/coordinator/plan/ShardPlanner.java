// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankGroup;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.proto.wire.UnitPlan;

/**
 * Cuts a model into shards. Every unit has one flat buffer per (held dtype, trainable or frozen, gathered in FP8 or not);
 * in it each parameter starts at a multiple of 256 bytes, and every rank of a shard group owns an equal, aligned slice:
 *
 * <pre>
 * | parameter 0 | pad | parameter 1 | pad | ... | tail |
 * |   rank 0        |   rank 1        |   rank 2       |
 * </pre>
 *
 * A slice may begin in the middle of a parameter, and a rank may own padding only. Shard groups are neighbours in the
 * order of the ranks, which is that of nodes and slots: so what a copy exchanges most stays inside a node where it can.
 * With four ranks, two to a copy, the shard groups are (0 1) (2 3) and the replica groups (0 2) (1 3).
 */
public final class ShardPlanner {
    /** What kernels and collectives want buffers to be aligned to. */
    private static final int ALIGNMENT_BYTES = 256;

    /** Bytes of an element of each dtype that ranks hold. */
    private static final Map<String, Integer> ELEMENT_BYTES = Map.of("F32", 4, "BF16", 2, "F16", 2);

    private record GroupKey(String dtype, boolean trainable, boolean fp8) {}

    private ShardPlanner() {}

    /** The plan for these settings; the same outline always gives the same plan. */
    static ShardPlan plan(ModelOutline outline, ParallelSettings parallel) {
        int worldSize = parallel.workers();
        int ranksPerCopy = parallel.ranksPerCopy();
        return ShardPlan.newBuilder()
                .setWorldSize(worldSize)
                .addAllUnits(outline.getUnitsList().stream()
                        .map(unit -> unit(unit, worldSize, ranksPerCopy))
                        .toList())
                .addAllShardGroups(
                        groups(worldSize / ranksPerCopy, copy -> ranks(copy * ranksPerCopy, 1, ranksPerCopy)))
                .addAllReplicaGroups(groups(ranksPerCopy, part -> ranks(part, ranksPerCopy, worldSize / ranksPerCopy)))
                .setGathering(parallel.gathering())
                .setReduceEachMicroBatch(parallel.reduceEachMicroBatch())
                .build();
    }

    /** The plan for one rank that measures the model and trains nothing of it. */
    public static ShardPlan measured(ModelOutline outline) {
        return plan(frozen(outline), ParallelSettings.single());
    }

    private static List<RankGroup> groups(int count, IntFunction<RankGroup> group) {
        return IntStream.range(0, count).mapToObj(group).toList();
    }

    /** So many ranks from the first on, at equal distances. */
    private static RankGroup ranks(int first, int distance, int count) {
        RankGroup.Builder group = RankGroup.newBuilder();
        IntStream.range(0, count).forEach(i -> group.addRanks(first + i * distance));
        return group.build();
    }

    /** The same model with nothing to train: its ranks hold weights, and neither gradients nor optimizer state. */
    private static ModelOutline frozen(ModelOutline outline) {
        ModelOutline.Builder frozen = outline.toBuilder();
        frozen.getUnitsBuilderList()
                .forEach(unit -> unit.getParametersBuilderList()
                        .forEach(parameter -> parameter.setTrainable(false).setHeldDtype(outline.getComputeDtype())));
        return frozen.build();
    }

    /** Groups stand in the order of their first parameters. */
    private static UnitPlan unit(UnitOutline unit, int worldSize, int ranksPerCopy) {
        Map<GroupKey, List<ParameterOutline>> groups = unit.getParametersList().stream()
                .collect(Collectors.groupingBy(
                        parameter ->
                                new GroupKey(parameter.getHeldDtype(), parameter.getTrainable(), parameter.getFp8()),
                        LinkedHashMap::new,
                        Collectors.toList()));
        UnitPlan.Builder plan = UnitPlan.newBuilder().setName(unit.getName());
        groups.forEach((key, members) -> plan.addGroups(group(key, members, worldSize, ranksPerCopy)));
        return plan.build();
    }

    private static GroupPlan group(GroupKey key, List<ParameterOutline> parameters, int worldSize, int ranksPerCopy) {
        GroupPlan.Builder group = GroupPlan.newBuilder()
                .setDtype(key.dtype())
                .setTrainable(key.trainable())
                .setFp8(key.fp8());
        long alignment = alignment(key.dtype());
        long offset = 0;
        for (ParameterOutline parameter : parameters) {
            group.addSegments(SegmentPlan.newBuilder()
                    .setParameter(parameter.getName())
                    .addAllShape(parameter.getShapeList())
                    .setOffset(offset));
            offset = roundUp(Math.addExact(offset, Fitness.elements(parameter)), alignment);
        }
        long elements = roundUp(offset, ranksPerCopy * alignment);
        return group.setElements(elements)
                .addAllSlices(slices(elements, worldSize, ranksPerCopy))
                .build();
    }

    /** In elements. */
    private static long alignment(String dtype) {
        Integer bytes = ELEMENT_BYTES.get(dtype);
        if (bytes == null) {
            throw new IllegalArgumentException(
                    "held dtype %s: must be one of %s".formatted(dtype, new TreeSet<>(ELEMENT_BYTES.keySet())));
        }
        return ALIGNMENT_BYTES / bytes;
    }

    private static List<RankSlice> slices(long elements, int worldSize, int ranksPerCopy) {
        long perRank = elements / ranksPerCopy;
        return IntStream.range(0, worldSize)
                .mapToObj(rank -> RankSlice.newBuilder()
                        .setRank(rank)
                        .setFrom(rank % ranksPerCopy * perRank)
                        .setUntil((rank % ranksPerCopy + 1) * perRank)
                        .build())
                .toList();
    }

    private static long roundUp(long value, long multiple) {
        return Math.multiplyExact(Math.addExact(value, multiple - 1) / multiple, multiple);
    }
}
