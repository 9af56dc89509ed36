// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import org.bytedeco.pytorch.Tensor;

/** The model's own values, before any adapter, from which some adapters take their first ones. */
@FunctionalInterface
public interface BaseValues {
    /**
     * Copies the elements [from, until) of a parameter, counted in row-major order, converting to the target's dtype.
     *
     * @param target [until - from], written
     */
    void copyInto(String parameter, long from, long until, Tensor target);
}
