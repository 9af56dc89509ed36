// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;

/**
 * What follows from a signal.
 *
 * @param state the very state that was, where the signal does not matter
 * @param effects to carry out, in this order
 */
public record Decision(RunState state, List<Effect> effects) {
    public Decision {
        effects = List.copyOf(effects);
    }

    static Decision of(RunState state, Effect... effects) {
        return new Decision(state, List.of(effects));
    }
}
