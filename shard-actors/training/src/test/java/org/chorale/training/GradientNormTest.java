// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

final class GradientNormTest {
    @Test
    void squaresOfAllBuffersAddUpInDoublePrecision() {
        try (TensorScope scope = new TensorScope()) {
            Tensor threes = HostTensors.zeros(ScalarType.Float, 1000).add_(Scalars.of(3));
            Tensor fours = HostTensors.zeros(ScalarType.Float, 7).add_(Scalars.of(4));

            Tensor squares = GradientNorm.squares(List.of(threes, fours));

            assertThat(squares.scalar_type().intern()).isEqualTo(ScalarType.Double);
            assertThat(squares.shape()).containsExactly(1);
            assertThat(squares.item_double()).isCloseTo(9 * 1000 + 16 * 7, within(0.01));
        }
    }

    @Test
    void theSumOfManyBf16SquaresIsNotRoundedToBf16() {
        try (TensorScope scope = new TensorScope()) {
            Tensor ones = HostTensors.zeros(ScalarType.BFloat16, 1001).add_(Scalars.of(1));

            assertThat(GradientNorm.squares(List.of(ones)).item_double()).isCloseTo(1001, within(0.01));
        }
    }

    @Test
    void oneElementThatIsNotFiniteShowsInTheSum() {
        try (TensorScope scope = new TensorScope()) {
            Tensor gradient = HostTensors.zeros(ScalarType.Float, 100);
            gradient.narrow(0, 50, 1).fill_(Scalars.of(Double.NaN));

            assertThat(GradientNorm.squares(List.of(HostTensors.zeros(ScalarType.Float, 3), gradient))
                            .item_double())
                    .isNaN();
        }
    }
}
