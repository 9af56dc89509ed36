// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Locale;
import java.util.Optional;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;

/** The key {@code model.recompute}: the same for every block, or what fits into a GPU's memory. */
public enum RecomputePolicy {
    NONE,
    SELECTIVE,
    FULL,
    /** Chosen by {@link ActivationPlan}. */
    AUTO;

    /** As it stands in a configuration. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Empty where it is to be chosen. */
    Optional<RecomputePlan> plan() {
        return this == AUTO ? Optional.empty() : Optional.of(RecomputePlan.every(Recompute.valueOf(name())));
    }
}
