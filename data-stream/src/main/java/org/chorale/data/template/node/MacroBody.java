// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What stands in the template of a macro.
 *
 * @param name null for the body of a {@code call} block
 * @param defaults of the last parameters
 * @param usesCaller whether {@code caller} stands in the block, and likewise {@code kwargs} and {@code varargs}
 */
public record MacroBody(
        @Nullable String name,
        List<String> parameters,
        List<Expression> defaults,
        boolean usesCaller,
        boolean usesNamed,
        boolean usesPositional,
        Block block) {}
