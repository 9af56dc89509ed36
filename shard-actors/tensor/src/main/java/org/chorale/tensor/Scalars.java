// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.pytorch.Scalar;

/** Floating-point constants for operators, made once per value: a native object per call would cost as much as the call. */
public final class Scalars {
    /** More values than this are a mistake: something that changes with every step is passed as a tensor. */
    private static final int MAX_VALUES = 4096;

    private static final ConcurrentMap<Double, Scalar> VALUES = new ConcurrentHashMap<>();

    private Scalars() {}

    /** The scalar of this value; never closed by the caller. */
    public static Scalar of(double value) {
        Scalar known = VALUES.get(value);
        return known != null ? known : make(value);
    }

    private static Scalar make(double value) {
        if (VALUES.size() >= MAX_VALUES) {
            throw new IllegalStateException(
                    "over " + MAX_VALUES + " scalar constants; pass changing values as tensors");
        }
        return VALUES.computeIfAbsent(value, v -> {
            Scalar scalar = new Scalar(v.doubleValue());
            scalar.retainReference(); // the process owns it
            return scalar;
        });
    }
}
