// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.outline.UnitOutline;

/** What a run trains: the parameters that there are, and where their first values come from. */
public interface ParameterSource extends AutoCloseable {
    /** The sharding units, in the order of the forward pass. */
    List<UnitOutline> units();

    /**
     * Copies a part of a parameter's first value, converting to the target's dtype. No rank need have memory for the
     * whole: what comes from files is read element by element, and what is drawn gives every part of it as if all of it
     * were drawn.
     *
     * @param from first element, counted in row-major order
     * @param until end of the part
     * @param target [until - from], written
     */
    void copyInto(String parameter, long from, long until, Tensor target);

    /** Tells these first values from others', in lower-case hexadecimal. */
    String fingerprint();

    @Override
    void close();
}
