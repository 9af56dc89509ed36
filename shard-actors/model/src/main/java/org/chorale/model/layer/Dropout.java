// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * Inverted dropout (Srivastava et al. 2014): an element is zero with probability p, and divided by 1 − p elsewhere.
 *
 * <p>Whether an element of x [R, I] is dropped is a function of its row's key, its column and the layer, and of nothing
 * else: a hash of 32 bits below p·2³². It is its own backward, given the same keys.
 */
final class Dropout {
    private static final double HASHES = 0x1p32;

    /** Multipliers and shifts of a 32-bit finalizer with little bias (Wellons, "Prospecting for hash functions"). */
    private static final Scalar FIRST_FACTOR = whole(0x7FEB352D);

    private static final Scalar SECOND_FACTOR = whole(0x846CA68B);
    private static final Scalar FIRST_SHIFT = whole(15);
    private static final Scalar SECOND_SHIFT = whole(16);
    private static final Scalar FIRST_SHIFTED_BITS = whole(-1 >>> 15); // a shift of int32 copies the sign
    private static final Scalar SECOND_SHIFTED_BITS = whole(-1 >>> 16);

    private final long layer;
    private final double rate;
    private final int threshold; // the smallest hash that is kept

    /** @param layer a name that no other layer of the model has */
    Dropout(String layer, double rate) {
        CRC32C digest = new CRC32C();
        digest.update(layer.getBytes(StandardCharsets.UTF_8));
        this.layer = DropoutKeys.mix(digest.getValue());
        this.rate = rate;
        this.threshold = (int) (Math.round(rate * HASHES) + Integer.MIN_VALUE);
    }

    /** Whether anything is dropped in training. */
    boolean isUsed() {
        return rate > 0;
    }

    boolean isActive(@Nullable DropoutKeys keys) {
        return keys != null && rate > 0;
    }

    /** [R, I] → [R, I]; x itself where nothing is dropped. */
    Tensor apply(Tensor x, @Nullable DropoutKeys keys) {
        if (keys == null || rate == 0) {
            return x;
        }
        try (TensorScope scope = new TensorScope()) {
            Tensor kept = hashes(keys, x.size(1), Device.of(x)).ge(new Scalar(threshold));
            return scope.keep(x.mul(kept).mul_(Scalars.of(1 / (1 - rate))));
        }
    }

    /** [R, I] int32, even over all 2³² values. */
    private Tensor hashes(DropoutKeys keys, long features, Device device) {
        int[] rowKeys = keys.ofLayer(layer);
        Tensor rows = device.ofInts(rowKeys, rowKeys.length, 1);
        Tensor columns = device.ofInts(DropoutKeys.ofFeatures(layer, features), 1, features);
        Tensor z = rows.bitwise_xor(columns);
        z.mul_(FIRST_FACTOR);
        z.bitwise_xor_(z.bitwise_right_shift(FIRST_SHIFT).bitwise_and_(FIRST_SHIFTED_BITS));
        z.mul_(SECOND_FACTOR);
        z.bitwise_xor_(z.bitwise_right_shift(SECOND_SHIFT).bitwise_and_(SECOND_SHIFTED_BITS));
        return z;
    }

    /** An integer constant that the process owns: with a floating one the product would be floating. */
    private static Scalar whole(int value) {
        Scalar scalar = new Scalar(value);
        scalar.retainReference();
        return scalar;
    }
}
