// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

/**
 * What a model tells whoever holds its parameters: from when to when it uses those of a sharding unit. Between them the
 * parameters may be elsewhere.
 *
 * <p>On every rank the calls of a pass are the same and come in the same order, also where a rank has no rows to compute
 * with: each may be an operation of all ranks together.
 */
public interface Units {
    /** Parameters that are always there. */
    Units ALWAYS_OPEN = new Units() {
        @Override
        public void open(String unit) {}

        @Override
        public void openForBackward(String unit) {}

        @Override
        public void openForGradients(String unit) {}

        @Override
        public void announce(String unit) {}

        @Override
        public void close(String unit) {}

        @Override
        public void closeAfterBackward(String unit) {}
    };

    /** From here on the values of the unit's parameters can be read. */
    void open(String unit);

    /** From here on values can be read and gradients added to. Nothing happens where it is so already. */
    void openForBackward(String unit);

    /** From here on gradients can be added to, by a backward that reads no values. */
    void openForGradients(String unit);

    /** The unit that is opened next, so that its values may be fetched meanwhile. */
    void announce(String unit);

    /** After a forward; nothing is read until the unit is opened again. Nothing happens where it is not open. */
    void close(String unit);

    /** After a backward; the unit's gradients are complete for this micro-batch. */
    void closeAfterBackward(String unit);
}
