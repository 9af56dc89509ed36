// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

final class OperatorTest {
    private final Operator linear = Operator.named("aten::linear");

    @Test
    void aTensorThatIsNotGivenIsUndefinedOrNone() {
        try (TensorScope scope = new TensorScope()) {
            Tensor x = torch.randn(3, 4);
            Tensor weight = torch.randn(2, 4);
            Tensor expected = x.mm(weight.t());
            assertThat(linear.call(x, weight, Operator.NONE)[0].equal(expected)).isTrue();
            assertThat(linear.call(x, weight, Operator.UNDEFINED)[0].equal(expected))
                    .isTrue();
        }
    }

    @Test
    void noneIsRefusedWhereTheSchemaWantsATensor() {
        try (TensorScope scope = new TensorScope()) {
            assertThatThrownBy(() -> linear.call(torch.randn(3, 4), Operator.NONE, Operator.NONE))
                    .isInstanceOf(RuntimeException.class)
                    .hasMessageContaining("Tensor");
        }
    }
}
