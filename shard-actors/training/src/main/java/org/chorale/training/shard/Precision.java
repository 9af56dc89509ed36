// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.safetensors.StoredType;

/**
 * The dtype that forward and backward compute in, and that of the weights which the optimizer moves, with its state.
 * Gradients are added up in fp32 whatever they are.
 */
public enum Precision {
    FP32(StoredType.F32, StoredType.F32),
    BF16(StoredType.BF16, StoredType.F32),
    /** Its exponents end at 2⁻²⁴: small gradients need a loss scale. */
    FP16(StoredType.F16, StoredType.F32),
    /** No master weights beside those that are computed with: half the memory, and changes below 2⁻⁸ of a weight are lost. */
    BF16_TRUE(StoredType.BF16, StoredType.BF16);

    private final StoredType stored;
    private final StoredType master;

    Precision(StoredType stored, StoredType master) {
        this.stored = stored;
        this.master = master;
    }

    /** As it stands in a configuration. */
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** The dtype as libtorch names it. */
    public ScalarType type() {
        return stored.scalarType().orElseThrow();
    }

    /** The dtype as files name it. */
    public StoredType stored() {
        return stored;
    }

    /** The dtype of what the optimizer moves, and of its state. */
    public StoredType master() {
        return master;
    }

    /** Whether what the optimizer moves is what forward and backward read. */
    public boolean ownMaster() {
        return master == stored;
    }
}
