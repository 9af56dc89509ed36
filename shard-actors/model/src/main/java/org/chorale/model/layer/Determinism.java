// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.global.torch;

/**
 * Asks libtorch's kernels to add up in one order.
 *
 * <p>The switch is the process's, and is on for the call alone: elsewhere it would make matrix products demand an
 * environment variable of cuBLAS and fill all new memory with NaN.
 */
final class Determinism {
    private Determinism() {}

    /** What the kernels give with the switch on. */
    static <T> T during(Supplier<T> kernels) {
        Context context = torch.globalContext();
        boolean before = context.deterministicAlgorithms();
        boolean onlyWarned = context.deterministicAlgorithmsWarnOnly();
        boolean filled = context.deterministicFillUninitializedMemory();
        context.setDeterministicFillUninitializedMemory(false);
        context.setDeterministicAlgorithms(true, false);
        try {
            return kernels.get();
        } finally {
            context.setDeterministicAlgorithms(before, onlyWarned);
            context.setDeterministicFillUninitializedMemory(filled);
        }
    }
}
