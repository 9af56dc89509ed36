// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;

/**
 * A factor of a product that sums along the rows of both.
 *
 * @param values [M, K] in an FP8 format, contiguous
 * @param inverse what they are multiplied by to be what they were made of, fp32: [1] for all, or [M, 1] for each row
 */
public record Fp8Matrix(Tensor values, Tensor inverse) {
    /** The matrix, in the scope around. */
    Fp8Matrix keptBy(TensorScope scope) {
        return new Fp8Matrix(scope.keep(values), scope.keep(inverse));
    }

    /** The matrix, for as long as an owner holds it. */
    public Fp8Matrix heldBy(HeldTensors owner) {
        return new Fp8Matrix(owner.hold(values), owner.hold(inverse));
    }
}
