// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever the pieces, every value arrives once and rounded as libtorch rounds it. */
final class StagedCopyTest {
    @ParameterizedTest
    @CsvSource({
        "0, 4, Float, Float",
        "1, 4, Float, Float",
        "4, 4, BFloat16, BFloat16",
        "5, 4, BFloat16, Float",
        "8, 4, Float, BFloat16",
        "1001, 10, Float, Half",
        "1001, 1, Half, Float",
        "7, 100, Double, BFloat16"
    })
    void everyPieceArrivesInItsPlaceAndDtype(long elements, long piece, String from, String to) {
        try (TensorScope scope = new TensorScope()) {
            Tensor source = torch.randn(elements).to(ScalarType.valueOf(from));
            Tensor target = HostTensors.zeros(ScalarType.valueOf(to), elements);
            StagedCopy.copy(source, target, piece);
            assertThat(torch.equal(target, source.to(ScalarType.valueOf(to)))).isTrue();
            Tensor whole = HostTensors.zeros(ScalarType.valueOf(to), elements);
            StagedCopy.copy(source, whole);
            assertThat(torch.equal(whole, target)).isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"Float", "BFloat16"})
    void nothingIsKept(String to) {
        try (TensorScope scope = new TensorScope()) {
            Tensor source = torch.randn(100);
            Tensor target = HostTensors.zeros(ScalarType.valueOf(to), 100);
            long before = NativeMemory.liveReferences();
            StagedCopy.copy(source, target, 9);
            assertThat(NativeMemory.liveReferences()).isEqualTo(before);
        }
    }
}
