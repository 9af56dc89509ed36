// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.safetensors.StoredType;

/**
 * The dtype that forward and backward compute in. Master weights, gradients and optimizer state are fp32 whatever it
 * is.
 */
public enum Precision {
    FP32(StoredType.F32),
    BF16(StoredType.BF16),
    /** Its exponents end at 2⁻²⁴: small gradients need a loss scale. */
    FP16(StoredType.F16);

    private final StoredType stored;

    Precision(StoredType stored) {
        this.stored = stored;
    }

    /** As it stands in a configuration. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The dtype as libtorch names it. */
    public ScalarType type() {
        return stored.scalarType().orElseThrow();
    }

    /** The dtype as files name it. */
    public StoredType stored() {
        return stored;
    }
}
