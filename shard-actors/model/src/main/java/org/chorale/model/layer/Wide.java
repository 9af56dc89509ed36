// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The dtype in which sums over many small terms are taken: fp32 for bf16 and fp16, and otherwise the tensor's own. */
final class Wide {
    private Wide() {}

    /** Whether a tensor has that dtype. */
    static boolean is(Tensor x) {
        ScalarType type = x.scalar_type().intern();
        return type != ScalarType.BFloat16 && type != ScalarType.Half;
    }

    /** The tensor in that dtype; nothing is copied where it has it. */
    static Tensor of(Tensor x) {
        return switch (x.scalar_type().intern()) {
            case BFloat16, Half -> x.to(ScalarType.Float);
            default -> x;
        };
    }
}
