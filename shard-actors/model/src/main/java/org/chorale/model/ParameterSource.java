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

    /** Copies a whole parameter's first value into {@code target}, converting to its dtype. */
    void copyInto(String parameter, Tensor target);

    /** Tells these first values from others', in lower-case hexadecimal. */
    String fingerprint();

    @Override
    void close();
}
