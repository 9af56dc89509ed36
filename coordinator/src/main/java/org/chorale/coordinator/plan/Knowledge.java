// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.chorale.proto.wire.ModelOutline;

/**
 * What was found out about model and data, which holds for all generations.
 *
 * @param data by the place of the feeder that described it
 */
record Knowledge(Optional<ModelOutline> model, Map<String, DataFacts> data) {
    static final Knowledge NONE = new Knowledge(Optional.empty(), Map.of());

    Knowledge {
        data = Map.copyOf(data);
    }

    Knowledge with(ModelOutline outline) {
        return new Knowledge(Optional.of(outline), data);
    }

    Knowledge with(String feeder, DataFacts facts) {
        Map<String, DataFacts> more = new HashMap<>(data);
        more.put(feeder, facts);
        return new Knowledge(model, more);
    }

    /** A feeder that comes in the place of this one has to look for itself. */
    Knowledge without(String feeder) {
        Map<String, DataFacts> less = new HashMap<>(data);
        less.remove(feeder);
        return new Knowledge(model, less);
    }

    /** What a feeder has described. */
    DataFacts dataOf(String feeder) {
        return Objects.requireNonNull(data.get(feeder), () -> feeder + " has not described the data");
    }

    /** Those of these feeders that have not described the data. */
    List<String> missing(List<String> feeders) {
        return feeders.stream().filter(feeder -> !data.containsKey(feeder)).toList();
    }
}
