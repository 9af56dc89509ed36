// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A kernel reads 16 bytes at a time exactly where everything it touches starts at multiples of them. */
@ExtendWith(ScopedTensors.class)
final class AccessTest {
    @Test
    void wholeRowsAreReadBySixteenBytes() {
        assertThat(Access.of(16, zeros(ScalarType.BFloat16, 3, 16)).macros())
                .containsOnly(Map.entry("SCALAR", "bf16"), Map.entry("LANES", "8"));
        assertThat(Access.of(12, zeros(ScalarType.Float, 3, 12)).lanes()).isEqualTo(4);
        assertThat(Access.of(16, zeros(ScalarType.Half, 16)).lanes()).isEqualTo(8);
    }

    @Test
    void anOddWidthIsReadByElements() {
        assertThat(Access.of(12, zeros(ScalarType.BFloat16, 3, 12)).lanes()).isEqualTo(1);
    }

    @Test
    void anOddStartOrStrideOfAnyIsReadByElements() {
        Tensor whole = zeros(ScalarType.Float, 4, 8);
        assertThat(Access.of(4, whole, whole.narrow(1, 4, 4)).lanes()).isEqualTo(4);
        assertThat(Access.of(4, whole, whole.narrow(1, 1, 4)).lanes()).isEqualTo(1);
        assertThat(Access.of(8, whole, zeros(ScalarType.Float, 4, 9).narrow(1, 0, 8))
                        .lanes())
                .isEqualTo(1);
    }

    @Test
    void theStrideOfASingleRowIsNeverUsed() {
        assertThat(Access.of(8, zeros(ScalarType.Float, 1, 9).narrow(1, 0, 8)).lanes())
                .isEqualTo(4);
    }

    @Test
    void tensorsOfTwoTypesAreRefused() {
        assertThatThrownBy(() -> Access.of(8, zeros(ScalarType.Float, 8), zeros(ScalarType.Half, 8)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a kernel of float elements was given Half");
    }

    @Test
    void blocksHaveWholeWarpsUpToTheirLimit() {
        assertThat(Blocks.threads(1, 256)).isEqualTo(32);
        assertThat(Blocks.threads(33, 256)).isEqualTo(64);
        assertThat(Blocks.threads(4_096, 256)).isEqualTo(256);
    }

    private static Tensor zeros(ScalarType type, long... shape) {
        return HostTensors.zeros(type, shape);
    }
}
