// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.global.torch;

/**
 * Whether products and convolutions of fp32 values on GPUs may round their factors to 10 bits of mantissa, for speed.
 * Sums stay fp32.
 */
public final class Tf32 {
    private Tf32() {}

    /** Of the whole process. libtorch's own default is off for products, but on for convolutions. */
    public static void allow(boolean allowed) {
        Context context = torch.globalContext();
        context.setAllowTF32CuBLAS(allowed);
        context.setAllowTF32CuDNN(allowed);
    }
}
