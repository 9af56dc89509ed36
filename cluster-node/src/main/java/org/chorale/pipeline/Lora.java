// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import java.util.Arrays;

/** Low-rank adapters beside linears (Hu et al. 2021, arXiv 2106.09685); the keys below {@code model.adapter} explain them. */
public final class Lora {
    private static final String ADAPTER = "model.adapter.";

    private final Keys keys;

    private Lora(Keys keys) {
        this.keys = keys;
    }

    public static Lora rank(int rank) {
        return new Lora(Keys.NONE.with(ADAPTER + "type", "lora").with(ADAPTER + "rank", rank));
    }

    /** What the adapter adds is scaled by alpha / rank. */
    public Lora alpha(double alpha) {
        return with("alpha", alpha);
    }

    /** Share of the adapters' inputs that are dropped in training. */
    public Lora dropout(double share) {
        return with("dropout", share);
    }

    /** Which linears, by the ends of their names. */
    public Lora on(String... linears) {
        return with("targets", Arrays.asList(linears));
    }

    Keys keys() {
        return keys;
    }

    private Lora with(String key, Object value) {
        return new Lora(keys.with(ADAPTER + key, value));
    }
}
