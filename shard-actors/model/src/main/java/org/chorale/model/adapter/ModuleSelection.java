// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.List;
import org.chorale.model.outline.NamePattern;
import org.jspecify.annotations.Nullable;

/**
 * Modules by name, as PEFT selects them.
 *
 * @param suffixes each matches the module of this name, and those whose names end with a dot and it
 * @param pattern matches whole names; null where there is none
 * @param allLinear every linear but the head
 */
public record ModuleSelection(
        List<String> suffixes, @Nullable NamePattern pattern, boolean allLinear) {
    /** PEFT's word for every linear but the head, in the place of names. */
    public static final String EVERY_LINEAR = "all-linear";

    /** Every linear but the head. */
    public static final ModuleSelection ALL_LINEAR = new ModuleSelection(List.of(), null, true);

    /** No module. */
    public static final ModuleSelection NOTHING = suffixes(List.of());

    /** What PEFT calls embeddings. */
    private static final List<String> ENDS = List.of("embed_tokens", "lm_head");

    public ModuleSelection {
        suffixes = List.copyOf(suffixes);
    }

    /** Modules by the ends of their names. */
    public static ModuleSelection suffixes(List<String> suffixes) {
        return new ModuleSelection(suffixes, null, false);
    }

    /** Modules by their whole names. */
    public static ModuleSelection matching(NamePattern pattern) {
        return new ModuleSelection(List.of(), pattern, false);
    }

    /** Whether it names an embedding or a head as PEFT looks for them. */
    boolean namesAnEnd() {
        return ENDS.stream()
                .anyMatch(end -> suffixes.contains(end)
                        || (pattern != null && pattern.toString().contains(end)));
    }

    /** @param head whether the module gives the logits */
    boolean selects(String module, boolean head) {
        return (allLinear && !head)
                || (pattern != null && pattern.matches(module))
                || suffixes.stream().anyMatch(suffix -> endsWith(module, suffix));
    }

    static boolean endsWith(String module, String suffix) {
        return module.equals(suffix) || module.endsWith("." + suffix);
    }
}
