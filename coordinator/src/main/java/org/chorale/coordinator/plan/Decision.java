// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

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

    /** With an effect before all others. */
    Decision after(Effect first) {
        return new Decision(
                state, Stream.concat(Stream.of(first), effects.stream()).toList());
    }

    /** With what follows from the state that is reached here. */
    Decision then(Function<RunState, Decision> next) {
        Decision second = next.apply(state);
        return new Decision(
                second.state(),
                Stream.concat(effects.stream(), second.effects().stream()).toList());
    }
}
