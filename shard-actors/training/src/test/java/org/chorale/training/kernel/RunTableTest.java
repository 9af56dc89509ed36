// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;

final class RunTableTest {
    @Test
    void aRowHasAddressesElementsAndTheChunksOfTheRunsBefore() {
        try (TensorScope scope = new TensorScope()) {
            Tensor weights = HostTensors.zeros(ScalarType.Float, 2 * RunTable.CHUNK + 1);
            Tensor values = HostTensors.zeros(ScalarType.BFloat16, 2 * RunTable.CHUNK + 1);
            Tensor few = HostTensors.zeros(ScalarType.Float, 5);

            RunTable table = new RunTable(List.of(List.of(weights, values), Arrays.asList(few, null)));

            assertThat(longs(table.on(Device.CPU)))
                    .containsExactly(
                            weights.data_ptr().address(),
                            values.data_ptr().address(),
                            2 * RunTable.CHUNK + 1,
                            0,
                            few.data_ptr().address(),
                            0,
                            5,
                            3);
            assertThat(table.count()).isEqualTo(2);
            assertThat(table.chunks()).isEqualTo(4);
            assertThat(table.blocks()).isEqualTo(4);
        }
    }

    @Test
    void aPartOfABufferBeginsAtItsOwnAddress() {
        try (TensorScope scope = new TensorScope()) {
            Tensor buffer = HostTensors.zeros(ScalarType.Float, 100);

            RunTable table = new RunTable(List.of(List.of(buffer.narrow(0, 10, 20))));

            assertThat(longs(table.on(Device.CPU)))
                    .containsExactly(buffer.data_ptr().address() + 10 * Float.BYTES, 20, 0);
        }
    }

    @Test
    void anEmptyRunHasNoChunk() {
        try (TensorScope scope = new TensorScope()) {
            Tensor nothing = HostTensors.empty(ScalarType.Float, 0);
            Tensor one = HostTensors.zeros(ScalarType.Float, 1);

            RunTable table = new RunTable(List.of(List.of(nothing), List.of(one)));

            assertThat(longs(table.on(Device.CPU)))
                    .containsExactly(0, 0, 0, one.data_ptr().address(), 1, 0);
            assertThat(table.blocks()).isEqualTo(1);
        }
    }

    @Test
    void moreChunksThanBlocksAreTakenInTurns() {
        try (TensorScope scope = new TensorScope()) {
            Tensor large = HostTensors.empty(ScalarType.Byte, (RunTable.MAX_BLOCKS + 1L) * RunTable.CHUNK);

            RunTable table = new RunTable(List.of(List.of(large)));

            assertThat(table.chunks()).isEqualTo(RunTable.MAX_BLOCKS + 1);
            assertThat(table.blocks()).isEqualTo(RunTable.MAX_BLOCKS);
        }
    }

    @Test
    void tensorsThatDoNotFitTogetherAreRefused() {
        try (TensorScope scope = new TensorScope()) {
            Tensor five = HostTensors.zeros(ScalarType.Float, 5);
            Tensor six = HostTensors.zeros(ScalarType.Float, 6);
            Tensor everySecond = HostTensors.zeros(ScalarType.Float, 5, 2).select(1, 0);

            assertThatThrownBy(() -> new RunTable(List.of(List.of(five, six))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("a run of 5 elements with a tensor of shape [6] and strides [1]");
            assertThatThrownBy(() -> new RunTable(List.of(List.of(five, everySecond))))
                    .hasMessage("a run of 5 elements with a tensor of shape [5] and strides [2]");
        }
    }

    private static long[] longs(Tensor tensor) {
        long[] numbers = new long[(int) tensor.numel()];
        tensor.<LongBuffer>createBuffer().get(numbers);
        return numbers;
    }
}
