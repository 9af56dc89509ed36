// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.chorale.tensor.collective.Collectives;
import org.chorale.training.StepSums.Total;

/**
 * The names that all ranks have agreed on for the vector of a step. In the first step they exchange theirs; later a rank
 * that has others says so in the vector, and what it has of them is settled when the step is read.
 *
 * <p>Both are operations of the whole world, so every rank has to come to them at the same place among all others.
 */
final class StepNames {
    private final boolean alone;
    private final WorldSums world;
    private Set<String> known = Set.of();
    private boolean exchanged;

    StepNames(Collectives world) {
        this.alone = world.worldSize() == 1;
        this.world = new WorldSums(world);
    }

    /**
     * The names in the vector of the next step, the same on all ranks.
     *
     * @param own of this rank, its terms first
     */
    Set<String> agreed(Set<String> own) {
        if (alone) {
            return own;
        }
        if (!exchanged) {
            settle(withoutNumbers(own));
            exchanged = true;
        }
        return known;
    }

    private static Map<String, Total> withoutNumbers(Set<String> names) {
        Map<String, Total> totals = new LinkedHashMap<>();
        names.forEach(name -> totals.put(name, Total.NOTHING));
        return totals;
    }

    /** @throws org.chorale.tensor.collective.CollectiveException where a rank was lost, and with it what it has sent */
    void check() {
        if (!alone) {
            world.check();
        }
    }

    /** Adds up what was in no rank's vector; from now on its names are known. */
    Map<String, Total> settle(Map<String, Total> own) {
        Map<String, Total> all = world.add(own).totals();
        Set<String> more = new LinkedHashSet<>(known);
        more.addAll(all.keySet());
        known = more;
        return all;
    }
}
