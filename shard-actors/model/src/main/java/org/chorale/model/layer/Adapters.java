// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.jspecify.annotations.Nullable;

/** Which linears of a model are adapted, and by what. */
@FunctionalInterface
public interface Adapters {
    /** A model as it was published. */
    Adapters NONE = module -> null;

    /**
     * @param module a linear's published name, such as {@code model.layers.0.self_attn.q_proj}
     * @return null where it is not adapted
     */
    @Nullable
    LowRank of(String module);
}
