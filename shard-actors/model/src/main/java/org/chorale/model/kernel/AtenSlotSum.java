// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/** The sum of a row's slots by ATen's operators, one slot of all rows after the other. */
final class AtenSlotSum implements SlotSumKernel {
    static final AtenSlotSum INSTANCE = new AtenSlotSum();

    private AtenSlotSum() {}

    @Override
    public Tensor sums(Tensor slots, Tensor places, @Nullable Tensor weights) {
        try (TensorScope scope = new TensorScope()) {
            ScalarType type = slots.scalar_type().intern();
            ScalarType wide = type == ScalarType.Double ? type : ScalarType.Float;
            Tensor sums = Device.of(slots).zeros(wide, places.size(0), slots.size(1));
            for (long j = 0; j < places.size(1); j++) {
                try (TensorScope ofSlot = new TensorScope()) {
                    Tensor ofRows = slots.index_select(0, places.select(1, j)); // [R, D]
                    if (weights == null) {
                        sums.add_(ofRows);
                    } else {
                        sums.addcmul_(ofRows, weights.narrow(1, j, 1));
                    }
                }
            }
            return scope.keep(sums.to(type));
        }
    }
}
