// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The two formats of eight bits (Micikevicius et al. 2022, arXiv 2209.05433). */
public enum Fp8Format {
    /** Three bits of mantissa: what a forward reads. */
    E4M3(ScalarType.Float8_e4m3fn, 448),
    /** Five bits of exponent and two of mantissa: gradients, which differ more in size than in what they need of precision. */
    E5M2(ScalarType.Float8_e5m2, 57_344);

    private final ScalarType type;
    private final double largest;

    Fp8Format(ScalarType type, double largest) {
        this.type = type;
        this.largest = largest;
    }

    /** As libtorch names it. */
    public ScalarType type() {
        return type;
    }

    /** Its largest number. */
    double largest() {
        return largest;
    }

    /** As PTX names it. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
