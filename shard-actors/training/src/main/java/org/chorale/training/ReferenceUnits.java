// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.chorale.model.layer.Units;

/**
 * Opens, for each unit of a reference, those of a shard that have its parameters.
 *
 * @param sources the shard's units by the reference's
 */
record ReferenceUnits(Units shard, Map<String, List<String>> sources) implements Units {
    @Override
    public void open(String unit) {
        sources(unit).forEach(shard::open);
    }

    @Override
    public void announce(String unit) {
        sources(unit).forEach(shard::announce);
    }

    @Override
    public void close(String unit) {
        sources(unit).forEach(shard::close);
    }

    @Override
    public void openForBackward(String unit) {
        throw noBackward();
    }

    @Override
    public void openForGradients(String unit) {
        throw noBackward();
    }

    @Override
    public void closeAfterBackward(String unit) {
        throw noBackward();
    }

    private List<String> sources(String unit) {
        return Objects.requireNonNull(sources.get(unit), unit);
    }

    private static IllegalStateException noBackward() {
        return new IllegalStateException("a reference is never trained");
    }
}
