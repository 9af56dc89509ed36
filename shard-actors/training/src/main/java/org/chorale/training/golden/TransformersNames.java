// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

/** What Transformers 5 calls parameters in memory, where it is not what files do. */
final class TransformersNames {
    private static final String PUBLISHED_NEOX_HEAD = "embed_out.";
    private static final String HEAD = "lm_head.";

    private TransformersNames() {}

    /** @param published the name in the files */
    static String inMemory(String published) {
        return published.startsWith(PUBLISHED_NEOX_HEAD)
                ? HEAD + published.substring(PUBLISHED_NEOX_HEAD.length())
                : published;
    }
}
