// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks do together, with as many threads as ranks. */
final class GlooCollectivesTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void everyRankGetsAllPartsInOrder(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = HostTensors.zeros(ScalarType.Float, worldSize * 3L);
                Tensor part = whole.narrow(0, group.rank() * 3L, 3);
                part.fill_(Scalars.of(group.rank() + 1));
                group.allGather(whole, part).await();
                for (int rank = 0; rank < worldSize; rank++) {
                    assertThat(whole.narrow(0, rank * 3L, 3).sum().item_float()).isEqualTo(3 * (rank + 1));
                }
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void everyRankGetsItsPartOfTheSum(int worldSize) {
        RankThreads.run(worldSize, group -> {
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = torch.arange(Scalars.of(worldSize * 2)).to(ScalarType.Float);
                Tensor part = HostTensors.zeros(ScalarType.Float, 2);
                group.reduceScatter(part, whole).await();
                assertThat(part.sum().item_float()).isEqualTo(worldSize * (4 * group.rank() + 1));
                Tensor values = HostTensors.zeros(ScalarType.Double, 1).add(Scalars.of(group.rank()));
                group.allReduce(values, Collectives.Reduction.MAX).await();
                assertThat(values.item_double()).isEqualTo(worldSize - 1);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void someOfTheRanksMakeAGroupOfTheirOwn(int worldSize) {
        RankThreads.run(worldSize, group -> {
            List<Integer> half = List.of(group.rank() / 2 * 2, group.rank() / 2 * 2 + 1);
            try (TensorScope scope = new TensorScope();
                    Collectives pair = group.subgroup("pair" + half.get(0), half)) {
                Tensor sum = HostTensors.zeros(ScalarType.Double, 1).add(Scalars.of(group.rank()));
                pair.allReduce(sum, Collectives.Reduction.SUM).await();
                assertThat(sum.item_double()).isEqualTo(half.get(0) + half.get(1));
            }
        });
    }
}
