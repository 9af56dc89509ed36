// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks do together, with as many threads as ranks. */
final class GlooCollectivesTest {
    /** A tensor's size below and above which an all-reduce goes different ways; not divided by 3 or 4. */
    private static final int SMALL = 7;

    private static final int LARGE = 10_001;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void everyRankGetsAllPartsInOrder(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor part = filled(ScalarType.Float, group.rank() + 1, 3);
                Tensor whole = HostTensors.zeros(ScalarType.Float, worldSize * 3L);
                group.allGather(whole, part).await();
                for (int rank = 0; rank < worldSize; rank++) {
                    assertThat(values(whole.narrow(0, rank * 3L, 3))).containsOnly(rank + 1);
                }
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void aPartMayBeItsPlaceInTheWhole(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = HostTensors.zeros(ScalarType.Float, worldSize, 2, 2);
                Tensor part = whole.select(0, group.rank());
                part.fill_(Scalars.of(group.rank() + 1));
                group.allGather(whole, part).await();
                for (int rank = 0; rank < worldSize; rank++) {
                    assertThat(values(whole.select(0, rank))).containsOnly(rank + 1);
                }
            }
        });
    }

    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"Float", "Double", "BFloat16", "Half", "Long", "Int", "Byte", "Bool"})
    void bytesOfEveryTypeTravel(ScalarType type) {
        RankThreads.run(2, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = HostTensors.zeros(type, 6);
                group.allGather(whole, filled(type, 1 - group.rank(), 3)).await();
                assertThat(values(whole)).containsExactly(1, 1, 1, 0, 0, 0);
                Tensor values = filled(type, group.rank(), 2);
                group.broadcast(values, 1).await();
                assertThat(values(values)).containsExactly(1, 1);
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"1, Float", "2, Float", "3, Double", "4, Float", "4, Long"})
    void everyRankGetsItsPartOfTheSum(int worldSize, ScalarType type) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = torch.arange(Scalars.of(worldSize * 2)).to(type);
                Tensor part = HostTensors.zeros(type, 2);
                group.reduceScatter(part, whole).await();
                int first = 2 * group.rank();
                assertThat(values(part)).containsExactly(worldSize * first, worldSize * (first + 1));
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"1, 7", "2, 7", "2, 10001", "3, 7", "3, 10001", "4, 7", "4, 10001", "4, 4099"})
    void everyRankGetsTheSumAndTheLargest(int worldSize, int length) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor sum =
                        torch.arange(Scalars.of(length)).to(ScalarType.Double).mul(Scalars.of(group.rank() + 1));
                group.allReduce(sum, Reduction.SUM).await();
                double total = worldSize * (worldSize + 1) / 2.0;
                assertThat(values(sum)).startsWith(0, total, 2 * total).endsWith((length - 1) * total);
                assertThat(sum.sum().item_double()).isEqualTo(total * length * (length - 1) / 2);
                Tensor largest = filled(ScalarType.Float, -group.rank() - 1, length);
                largest.select(0, group.rank()).fill_(Scalars.of(5));
                group.allReduce(largest, Reduction.MAX).await();
                assertThat(largest.sum().item_double()).isEqualTo(5.0 * worldSize - (length - worldSize));
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {SMALL, LARGE})
    void aNaNOfOneRankReachesAll(int length) {
        RankThreads.run(3, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor values = filled(ScalarType.Float, 1, length);
                if (group.rank() == 1) {
                    values.select(0, 0).fill_(Scalars.of(Double.NaN));
                }
                Tensor sum = values.clone();
                group.allReduce(values, Reduction.MAX).await();
                group.allReduce(sum, Reduction.SUM).await();
                assertThat(values.select(0, 0).item_float()).isNaN();
                assertThat(sum.select(0, 0).item_float()).isNaN();
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void theSameValuesGiveTheSameBitsEveryTimeAndOnEveryRank(int worldSize) {
        ConcurrentMap<Integer, List<byte[]>> bits = new ConcurrentHashMap<>();
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor values = torch.arange(Scalars.of(worldSize * LARGE))
                        .to(ScalarType.Float)
                        .add(Scalars.of(group.rank()))
                        .sin();
                List<byte[]> own = new ArrayList<>();
                for (int repetition = 0; repetition < 10; repetition++) {
                    Tensor sum = values.clone();
                    group.allReduce(sum, Reduction.SUM).await();
                    Tensor part = HostTensors.zeros(ScalarType.Float, LARGE);
                    group.reduceScatter(part, values.clone()).await();
                    Tensor gathered = HostTensors.zeros(ScalarType.Float, (long) worldSize * LARGE);
                    group.allGather(gathered, part).await();
                    own.add(bytes(sum));
                    own.add(bytes(gathered));
                }
                bits.put(group.rank(), own);
            }
        });
        byte[] expected = List.copyOf(bits.values()).get(0).get(0);
        assertThat(bits.values()).hasSize(worldSize);
        assertThat(bits.values().stream().flatMap(List::stream))
                .hasSize(20 * worldSize)
                .allMatch(other -> Arrays.equals(other, expected));
    }

    @Test
    void valuesGoFromOneRankToAnotherInTheirOrder() {
        RankThreads.run(3, group -> {
            int next = (group.rank() + 1) % 3;
            int previous = (group.rank() + 2) % 3;
            try (TensorScope scope = new TensorScope()) {
                Tensor first = HostTensors.zeros(ScalarType.Long, 2);
                Tensor second = HostTensors.zeros(ScalarType.Long, 1);
                List<Pending> pending = List.of(
                        group.send(filled(ScalarType.Long, group.rank(), 2), next),
                        group.send(filled(ScalarType.Long, 10 + group.rank(), 1), next),
                        group.receive(first, previous),
                        group.receive(second, previous));
                pending.forEach(Pending::await);
                assertThat(values(first)).containsExactly(previous, previous);
                assertThat(values(second)).containsExactly(10 + previous);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void severalOperationsEndInWhateverOrderTheyAreAwaited(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor parameters = HostTensors.zeros(ScalarType.BFloat16, (long) worldSize * LARGE);
                Tensor next = HostTensors.zeros(ScalarType.Float, (long) worldSize * LARGE);
                Tensor gradients = filled(ScalarType.Float, group.rank(), (long) worldSize * LARGE);
                Tensor part = HostTensors.zeros(ScalarType.Float, LARGE);
                Tensor sum = filled(ScalarType.Double, 1, LARGE);
                List<Pending> begun = new ArrayList<>(List.of(
                        group.allReduce(sum, Reduction.SUM),
                        group.allGather(parameters, filled(ScalarType.BFloat16, 3, LARGE)),
                        group.reduceScatter(part, gradients),
                        group.allGather(next, filled(ScalarType.Float, 4, LARGE))));
                Collections.rotate(begun, group.rank()); // another order on every rank
                begun.forEach(Pending::await);
                begun.forEach(Pending::await); // once more does nothing
                assertThat(values(parameters)).containsOnly(3);
                assertThat(values(next)).containsOnly(4);
                assertThat(values(part)).containsOnly(worldSize * (worldSize - 1) / 2.0);
                assertThat(values(sum)).containsOnly(worldSize);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void nothingAtAllTravelsToo(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor nothing = HostTensors.zeros(ScalarType.Float, 0);
                group.allGather(nothing, nothing).await();
                group.reduceScatter(nothing, nothing).await();
                group.allReduce(nothing, Reduction.SUM).await();
                group.broadcast(nothing, 0).await();
                group.barrier().await();
            }
        });
    }

    @Test
    void someOfTheRanksMakeAGroupOfTheirOwn() {
        RankThreads.run(4, group -> {
            int half = group.rank() / 2;
            List<Integer> shards = List.of(2 * half, 2 * half + 1);
            List<Integer> replicas = List.of(group.rank() % 2, group.rank() % 2 + 2);
            try (TensorScope scope = new TensorScope();
                    Collectives shardGroup = group.subgroup("shard-" + half, shards);
                    Collectives replicaGroup = group.subgroup("replica-" + group.rank() % 2, replicas);
                    Collectives alone = group.subgroup("alone", List.of(group.rank()))) {
                assertThat(shardGroup.rank()).isEqualTo(group.rank() % 2);
                assertThat(replicaGroup.rank()).isEqualTo(half);
                assertThat(alone.worldSize()).isEqualTo(1);
                Tensor sum = filled(ScalarType.Double, group.rank(), 1);
                shardGroup.allReduce(sum, Reduction.SUM).await();
                assertThat(sum.item_double()).isEqualTo(4 * half + 1);
                replicaGroup.allReduce(sum, Reduction.SUM).await();
                assertThat(sum.item_double()).isEqualTo(6);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatDoesNotFitIsRefusedBeforeAnythingIsSent(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor part = HostTensors.zeros(ScalarType.Float, 3);
                Tensor whole = HostTensors.zeros(ScalarType.Float, 3L * worldSize);
                Tensor gaps =
                        HostTensors.zeros(ScalarType.Float, 3L * worldSize, 2).select(1, 0);
                refused(() -> group.allGather(gaps, part), "allGather", "Float[" + 3 * worldSize + "] with gaps");
                refused(() -> group.allGather(whole.repeat(5), part), "allGather", "Float[" + 15 * worldSize + "]");
                refused(() -> group.reduceScatter(part.to(ScalarType.Double), whole), "reduceScatter", "Double[3]");
                refused(() -> group.allReduce(part.to(ScalarType.Half), Reduction.SUM), "allReduce", "Half[3]");
                refused(() -> group.broadcast(part, 2), "broadcast", "no rank 2 in a group of " + worldSize);
                refused(() -> group.send(part, group.rank()), "send");
                refused(() -> group.receive(part, -1), "receive");
                refused(() -> group.subgroup("pair", List.of(0, 0)), "subgroup pair", "[0, 0]");
                group.barrier().await(); // and the group is still whole
            }
        });
    }

    private static void refused(Runnable call, String... words) {
        assertThatThrownBy(call::run)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(words);
    }

    private static Tensor filled(ScalarType type, double value, long length) {
        return HostTensors.zeros(type, length).fill_(Scalars.of(value));
    }

    private static double[] values(Tensor tensor) {
        Tensor doubles = tensor.to(ScalarType.Double).contiguous();
        double[] values = new double[(int) doubles.numel()];
        doubles.<DoubleBuffer>createBuffer().get(values);
        return values;
    }

    private static byte[] bytes(Tensor tensor) {
        byte[] bytes = new byte[(int) tensor.nbytes()];
        new BytePointer(tensor.data_ptr()).get(bytes);
        return bytes;
    }
}
