// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.util.List;

/**
 * A box of a parameter, or of its optimizer state, as a checkpoint's file holds it, in global coordinates.
 *
 * @param key in the file
 * @param kind {@link #WEIGHT}, or a kind of optimizer state such as {@code adam.m}
 * @param shape of the whole parameter
 * @param offset of the box, one per dimension
 * @param extent of the box
 */
public record StoredBox(
        String key, String parameter, String kind, List<Long> shape, List<Long> offset, List<Long> extent) {
    public static final String WEIGHT = "weight";

    /** The whole of a parameter. */
    static StoredBox whole(String parameter, String kind, List<Long> shape) {
        return new StoredBox(
                key(kind, parameter),
                parameter,
                kind,
                shape,
                shape.stream().map(n -> 0L).toList(),
                shape);
    }

    /** Weights stand under their published names, so that other tools can read them from a checkpoint. */
    static String key(String kind, String parameter) {
        return kind.equals(WEIGHT) ? parameter : kind + "." + parameter;
    }
}
