// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import java.util.ArrayList;
import java.util.List;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * A linear of a model, on which an adapter may be put.
 *
 * @param module its published name, such as {@code model.layers.0.self_attn.q_proj}
 * @param inputs I
 * @param outputs O; the weight is [O, I]
 * @param bias whether it has one
 * @param head whether it gives the logits
 */
public record LinearOutline(String module, long inputs, long outputs, boolean bias, boolean head) {
    /** Its own parameters. */
    public List<ParameterOutline> parameters() {
        List<ParameterOutline> parameters = new ArrayList<>();
        parameters.add(ParameterOutline.of(module + ".weight", outputs, inputs));
        if (bias) {
            parameters.add(ParameterOutline.of(module + ".bias", outputs));
        }
        return parameters;
    }
}
