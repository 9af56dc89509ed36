// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * A norm of a model.
 *
 * @param module its published name, such as {@code model.layers.0.input_layernorm}
 * @param width of what it normalises
 */
public record NormConfig(String module, long width, Kind kind, double epsilon) {
    /** What a norm computes. */
    public enum Kind {
        /** By the root of the mean square, with a weight. */
        RMS,
        /** Likewise, with a weight that is added to 1. */
        RMS_FROM_ONE,
        /** By mean and variance, with weight and bias. */
        LAYER
    }

    String weight() {
        return module + ".weight";
    }

    String bias() {
        return module + ".bias";
    }

    /** Its parameters, in the order of the unit's buffer. */
    List<ParameterOutline> parameters() {
        List<ParameterOutline> parameters = new ArrayList<>();
        parameters.add(ParameterOutline.of(weight(), width));
        if (kind == Kind.LAYER) {
            parameters.add(ParameterOutline.of(bias(), width));
        }
        return parameters;
    }

    /** Numbers that a forward finds of each row. */
    int statistics() {
        return kind == Kind.LAYER ? 2 : 1;
    }
}
