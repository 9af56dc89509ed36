// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.LongBuffer;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.device.Uploads.Sent;
import org.junit.jupiter.api.Test;

/** Everything but the order of streams, which a check program sees on a GPU. */
final class UploadsTest {
    private static final long[] NONE = {};

    @Test
    void everyColumnArrivesAndNothingStays() {
        long before = NativeMemory.liveReferences();
        try (Uploads uploads = new Uploads(Device.CPU)) {
            for (int length : new int[] {3, 100, 1, 0, 64}) {
                long[] numbers = LongStream.range(-length, 0).toArray();
                try (Sent sent = uploads.send(numbers, NONE, new long[] {7, 8})) {
                    assertThat(values(sent.column(0))).isEqualTo(numbers);
                    assertThat(values(sent.column(1))).isEmpty();
                    assertThat(values(sent.column(2))).containsExactly(7, 8);
                }
            }
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void aBatchStaysWhileTheNextIsSent() {
        try (Uploads uploads = new Uploads(Device.CPU);
                Sent first = uploads.send(new long[] {1, 2});
                Sent second = uploads.send(new long[] {3, 4})) {
            assertThat(values(first.column(0))).containsExactly(1, 2);
            assertThat(values(second.column(0))).containsExactly(3, 4);
        }
    }

    @Test
    void aThirdWaitsForNobodyAndIsRefused() {
        try (Uploads uploads = new Uploads(Device.CPU)) {
            try (Sent first = uploads.send(new long[] {1});
                    Sent second = uploads.send(new long[] {2})) {
                assertThatThrownBy(() -> {
                            try (Sent third = uploads.send(new long[] {3})) {
                                values(third.column(0));
                            }
                        })
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("2 batches");
                assertThat(first.column(0).item_long()).isEqualTo(1);
                assertThat(second.column(0).item_long()).isEqualTo(2);
            }
            try (Sent next = uploads.send(new long[] {4})) {
                assertThat(next.column(0).item_long()).isEqualTo(4);
            }
        }
    }

    private static long[] values(Tensor column) {
        long[] values = new long[(int) column.numel()];
        if (values.length > 0) {
            column.<LongBuffer>createBuffer().get(values);
        }
        return values;
    }
}
