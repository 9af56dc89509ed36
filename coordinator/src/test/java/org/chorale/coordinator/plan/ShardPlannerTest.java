// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankGroup;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.UnitOutline;
import org.chorale.proto.wire.UnitPlan;
import org.junit.jupiter.api.Test;

class ShardPlannerTest {
    private static final int ALIGNED_ELEMENTS = 64; // 256 bytes of fp32
    private static final int ALIGNED_HALVES = 128; // 256 bytes of a dtype of two bytes

    @Test
    void aModelThatIsOnlyMeasuredIsHeldInTheDtypeOfTheComputation() {
        ModelOutline measured = Runs.MODEL.toBuilder().setComputeDtype("BF16").build();
        assertThat(ShardPlanner.measured(measured).getUnits(0).getGroupsList())
                .singleElement()
                .satisfies(group -> {
                    assertThat(group.getTrainable()).isFalse();
                    assertThat(group.getDtype()).isEqualTo("BF16");
                });
    }

    @Test
    void segmentsAreAlignedDisjointAndInsideTheBuffer() {
        forManyOutlinesAndWorlds((outline, plan) -> groups(plan).forEach(group -> {
            long end = 0;
            for (SegmentPlan segment : group.getSegmentsList()) {
                assertThat(segment.getOffset() % aligned(group)).isZero();
                assertThat(segment.getOffset()).isGreaterThanOrEqualTo(end);
                end = segment.getOffset() + elements(segment.getShapeList());
            }
            assertThat(end).isLessThanOrEqualTo(group.getElements());
        }));
    }

    @Test
    void slicesOfAllRanksAreEqualAlignedAndCoverTheBuffer() {
        forManyOutlinesAndWorlds((outline, plan) -> groups(plan).forEach(group -> {
            assertThat(group.getSlicesCount()).isEqualTo(plan.getWorldSize());
            long end = 0;
            for (int rank = 0; rank < plan.getWorldSize(); rank++) {
                RankSlice slice = group.getSlices(rank);
                assertThat(slice.getRank()).isEqualTo(rank);
                assertThat(slice.getFrom()).isEqualTo(end);
                assertThat((slice.getUntil() - slice.getFrom()) % aligned(group))
                        .isZero();
                assertThat(slice.getUntil() - slice.getFrom()).isEqualTo(group.getElements() / plan.getWorldSize());
                end = slice.getUntil();
            }
            assertThat(end).isEqualTo(group.getElements());
        }));
    }

    @Test
    void everyParameterHasOnePlaceInItsUnit() {
        forManyOutlinesAndWorlds((outline, plan) -> {
            for (int i = 0; i < outline.getUnitsCount(); i++) {
                List<String> wanted = outline.getUnits(i).getParametersList().stream()
                        .map(ParameterOutline::getName)
                        .toList();
                List<String> placed = plan.getUnits(i).getGroupsList().stream()
                        .flatMap(group -> group.getSegmentsList().stream())
                        .map(SegmentPlan::getParameter)
                        .toList();
                assertThat(plan.getUnits(i).getName())
                        .isEqualTo(outline.getUnits(i).getName());
                assertThat(placed).containsExactlyInAnyOrderElementsOf(wanted);
            }
        });
    }

    @Test
    void aBufferWastesLessThanOneAlignmentPerParameterAndRank() {
        forManyOutlinesAndWorlds((outline, plan) -> groups(plan).forEach(group -> {
            long used = group.getSegmentsList().stream()
                    .mapToLong(segment -> elements(segment.getShapeList()))
                    .sum();
            int slots = group.getSegmentsCount() + plan.getWorldSize();
            assertThat(group.getElements() - used).isLessThan((long) slots * aligned(group));
        }));
    }

    @Test
    void heldDtypesAndFrozenParametersHaveBuffersOfTheirOwnInTheOrderTheyAppear() {
        UnitOutline unit = UnitOutline.newBuilder()
                .setName("block")
                .addParameters(parameter("a", "BF16", true, 3))
                .addParameters(parameter("b", "F32", true, 3))
                .addParameters(parameter("c", "BF16", false, 3))
                .addParameters(parameter("d", "BF16", true, 3))
                .build();
        UnitPlan plan = ShardPlanner.plan(
                        ModelOutline.newBuilder().addUnits(unit).build(), workers(2))
                .getUnits(0);
        assertThat(plan.getGroupsList())
                .extracting(group -> group.getSegmentsList().stream()
                        .map(SegmentPlan::getParameter)
                        .toList())
                .containsExactly(List.of("a", "d"), List.of("b"), List.of("c"));
        assertThat(plan.getGroupsList()).extracting(GroupPlan::getTrainable).containsExactly(true, true, false);
        assertThat(plan.getGroupsList()).extracting(GroupPlan::getDtype).containsExactly("BF16", "F32", "BF16");
    }

    @Test
    void weightsThatAreGatheredInFp8HaveABufferOfTheirOwn() {
        UnitOutline unit = UnitOutline.newBuilder()
                .setName("block")
                .addParameters(parameter("norm", "F32", true, 3))
                .addParameters(parameter("q", "F32", true, 256).toBuilder().setFp8(true))
                .addParameters(parameter("bias", "F32", true, 3))
                .addParameters(parameter("down", "F32", true, 256).toBuilder().setFp8(true))
                .build();
        UnitPlan plan = ShardPlanner.plan(
                        ModelOutline.newBuilder().addUnits(unit).build(), workers(2))
                .getUnits(0);
        assertThat(plan.getGroupsList())
                .extracting(group -> group.getSegmentsList().stream()
                        .map(SegmentPlan::getParameter)
                        .toList())
                .containsExactly(List.of("norm", "bias"), List.of("q", "down"));
        assertThat(plan.getGroupsList()).extracting(GroupPlan::getFp8).containsExactly(false, true);
    }

    @Test
    void aScalarOnEightRanksLeavesSevenOfThemWithPadding() {
        ModelOutline outline = ModelOutline.newBuilder()
                .addUnits(UnitOutline.newBuilder()
                        .addParameters(
                                ParameterOutline.newBuilder().setName("scale").setHeldDtype("F32")))
                .build();
        GroupPlan group = ShardPlanner.plan(outline, workers(8)).getUnits(0).getGroups(0);
        assertThat(group.getElements()).isEqualTo(8 * ALIGNED_ELEMENTS);
        assertThat(group.getSegments(0).getOffset()).isZero();
    }

    @Test
    void theSameOutlineAlwaysGivesTheSamePlan() {
        assertThat(ShardPlanner.plan(outline(new Random(3)), workers(4)))
                .isEqualTo(ShardPlanner.plan(outline(new Random(3)), workers(4)));
    }

    @Test
    void aDtypeWhoseSizeIsUnknownIsRefused() {
        ModelOutline outline = ModelOutline.newBuilder()
                .addUnits(UnitOutline.newBuilder().addParameters(parameter("a", "I4", false, 3)))
                .build();
        assertThatThrownBy(() -> ShardPlanner.plan(outline, workers(1)))
                .hasMessage("held dtype I4: must be one of [BF16, F16, F32]");
    }

    @Test
    void inEveryModeEachShardGroupHoldsEveryElementOnceAndReplicasHoldTheSame() {
        for (int seed = 0; seed < 10; seed++) {
            ModelOutline outline = outline(new Random(seed));
            for (ParallelSettings parallel : everyWay()) {
                ShardPlan plan = ShardPlanner.plan(outline, parallel);
                assertThat(ranks(plan.getShardGroupsList())).hasSize(parallel.workers());
                assertThat(ranks(plan.getReplicaGroupsList())).hasSize(parallel.workers());
                groups(plan).forEach(group -> {
                    plan.getShardGroupsList().forEach(copy -> assertCovers(group, copy));
                    plan.getReplicaGroupsList().forEach(replicas -> assertSame(group, replicas));
                });
            }
        }
    }

    private static void assertCovers(GroupPlan group, RankGroup copy) {
        long end = 0;
        for (int rank : copy.getRanksList()) {
            assertThat(group.getSlices(rank).getRank()).isEqualTo(rank);
            assertThat(group.getSlices(rank).getFrom()).isEqualTo(end);
            end = group.getSlices(rank).getUntil();
            assertThat(end % aligned(group)).isZero();
        }
        assertThat(end).isEqualTo(group.getElements());
        assertThat(group.getElements() % copy.getRanksCount()).isZero();
    }

    private static void assertSame(GroupPlan group, RankGroup replicas) {
        assertThat(replicas.getRanksList().stream()
                        .map(group::getSlices)
                        .map(RankSlice::getFrom)
                        .distinct())
                .hasSize(1);
    }

    @Test
    void hybridGroupsKeepACopyTogetherAndReplicateAcross() {
        assertThat(groupsOf("workers = 4", "mode = hybrid", "shard-size = 2"))
                .isEqualTo("[[0, 1], [2, 3]] [[0, 2], [1, 3]] PER_USE true");
        assertThat(groupsOf("workers = 8", "mode = hybrid", "shard-size = 4"))
                .isEqualTo("[[0, 1, 2, 3], [4, 5, 6, 7]] [[0, 4], [1, 5], [2, 6], [3, 7]] PER_USE true");
    }

    @Test
    void theModeSaysHowLongParametersAreHeldAndWhenGradientsAreReduced() {
        assertThat(groupsOf("workers = 2")).isEqualTo("[[0, 1]] [[0], [1]] PER_USE true");
        assertThat(groupsOf("workers = 2", "reduce = step")).isEqualTo("[[0, 1]] [[0], [1]] PER_USE false");
        assertThat(groupsOf("workers = 2", "mode = keep-gathered")).isEqualTo("[[0, 1]] [[0], [1]] PER_STEP false");
        assertThat(groupsOf("workers = 2", "mode = keep-gathered", "reduce = micro-batch"))
                .isEqualTo("[[0, 1]] [[0], [1]] PER_STEP true");
        assertThat(groupsOf("workers = 2", "mode = optimizer-only")).isEqualTo("[[0, 1]] [[0], [1]] ALWAYS false");
        assertThat(groupsOf("workers = 2", "mode = replicate")).isEqualTo("[[0], [1]] [[0, 1]] ALWAYS false");
    }

    @Test
    void aSingleRankHoldsEverythingAlwaysWhateverTheMode() {
        for (String mode : List.of("full-shard", "keep-gathered", "optimizer-only", "replicate")) {
            assertThat(groupsOf("workers = 1", "mode = " + mode)).isEqualTo("[[0]] [[0]] ALWAYS false");
        }
    }

    private static String groupsOf(String... settings) {
        ShardPlan plan = ShardPlanner.plan(Runs.MODEL, parallel(settings));
        return "%s %s %s %s"
                .formatted(
                        lists(plan.getShardGroupsList()),
                        lists(plan.getReplicaGroupsList()),
                        plan.getGathering(),
                        plan.getReduceEachMicroBatch());
    }

    private static List<List<Integer>> lists(List<RankGroup> groups) {
        return groups.stream().map(RankGroup::getRanksList).toList();
    }

    /** All ranks of groups that have none in common. */
    private static Set<Integer> ranks(List<RankGroup> groups) {
        List<Integer> all =
                groups.stream().flatMap(group -> group.getRanksList().stream()).toList();
        assertThat(all).doesNotHaveDuplicates();
        return Set.copyOf(all);
    }

    private static ParallelSettings parallel(String... settings) {
        return Runs.terms("parallel { %s }".formatted(String.join(", ", settings)))
                .parallel();
    }

    private static ParallelSettings workers(int count) {
        return parallel("workers = " + count);
    }

    private static List<ParallelSettings> everyWay() {
        List<ParallelSettings> all = new ArrayList<>();
        for (int workers = 1; workers <= 8; workers++) {
            all.add(workers(workers));
            all.add(parallel("workers = " + workers, "mode = keep-gathered"));
            all.add(parallel("workers = " + workers, "mode = optimizer-only"));
            all.add(parallel("workers = " + workers, "mode = replicate"));
        }
        all.add(parallel("workers = 4", "mode = hybrid", "shard-size = 2"));
        all.add(parallel("workers = 8", "mode = hybrid", "shard-size = 2"));
        all.add(parallel("workers = 8", "mode = hybrid", "shard-size = 4"));
        all.add(parallel("workers = 6", "mode = hybrid", "shard-size = 3"));
        return all;
    }

    private interface Claim {
        void check(ModelOutline outline, ShardPlan plan);
    }

    private static void forManyOutlinesAndWorlds(Claim claim) {
        for (int seed = 0; seed < 30; seed++) {
            ModelOutline outline = outline(new Random(seed));
            for (int worldSize = 1; worldSize <= 8; worldSize++) {
                claim.check(outline, ShardPlanner.plan(outline, workers(worldSize)));
            }
        }
    }

    private static ModelOutline outline(Random random) {
        ModelOutline.Builder outline = ModelOutline.newBuilder();
        for (int unit = 0; unit < 1 + random.nextInt(3); unit++) {
            UnitOutline.Builder block = UnitOutline.newBuilder().setName("block." + unit);
            int parameters = 1 + random.nextInt(5);
            for (int i = 0; i < parameters; i++) {
                String dtype = List.of("F32", "BF16", "F16").get(random.nextInt(3));
                block.addParameters(parameter(
                        "p" + i, dtype, random.nextBoolean(), 1 + random.nextInt(200), 1 + random.nextInt(3)));
            }
            outline.addUnits(block);
        }
        return outline.build();
    }

    private static ParameterOutline parameter(String name, String dtype, boolean trainable, long... shape) {
        ParameterOutline.Builder parameter =
                ParameterOutline.newBuilder().setName(name).setHeldDtype(dtype).setTrainable(trainable);
        for (long extent : shape) {
            parameter.addShape(extent);
        }
        return parameter.build();
    }

    private static List<GroupPlan> groups(ShardPlan plan) {
        return plan.getUnitsList().stream()
                .flatMap(unit -> unit.getGroupsList().stream())
                .toList();
    }

    private static int aligned(GroupPlan group) {
        return group.getDtype().equals("F32") ? ALIGNED_ELEMENTS : ALIGNED_HALVES;
    }

    private static long elements(List<Long> shape) {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }
}
