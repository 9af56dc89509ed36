// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.kernel.ElementType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class CrossEntropyKernelTest {
    @ParameterizedTest
    @CsvSource({
        "1, BF16, 32",
        "256, BF16, 32",
        "257, BF16, 64",
        "512, FP32, 128",
        "32000, BF16, 1024",
        "262144, FP32, 1024"
    })
    void aBlockHasWholeWarpsAndNoMoreThreadsThanTheRowHasAccesses(int classes, ElementType type, int threads) {
        assertThat(CrossEntropyKernel.threads(classes, type)).isEqualTo(threads);
    }

    @Test
    void logitsInHostMemoryAreLeftToTheTwin() {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = HostTensors.zeros(ScalarType.Float, 2, 8);

            assertThat(CrossEntropyKernel.takes(logits)).isFalse();
        }
    }
}
