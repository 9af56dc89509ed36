// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

/** The default optimizer; the keys below {@code optimizer} explain it, and {@link Pipeline.Builder#set} reaches them all. */
public final class AdamW {
    private static final String OPTIMIZER = "optimizer.";

    private final Keys keys;

    private AdamW(Keys keys) {
        this.keys = keys;
    }

    /** The peak. */
    public static AdamW learningRate(double rate) {
        return new AdamW(Keys.NONE.with(OPTIMIZER + "learning-rate", rate));
    }

    public AdamW weightDecay(double decay) {
        return with("weight-decay", decay);
    }

    public AdamW betas(double first, double second) {
        return with("beta1", first).with("beta2", second);
    }

    /** Steps over which the learning rate rises to its peak. */
    public AdamW warmupSteps(long steps) {
        return with("warmup-steps", steps);
    }

    /** What follows: constant, linear, cosine and whatever else {@code optimizer.schedule} knows. */
    public AdamW schedule(String name) {
        return with("schedule", name);
    }

    /** LoRA+: the learning rate of every adapter's B is so many times that of the rest (arXiv 2402.12354). */
    public AdamW loraPlusRatio(double ratio) {
        return with("lora-plus-ratio", ratio);
    }

    Keys keys() {
        return keys;
    }

    private AdamW with(String key, Object value) {
        return new AdamW(keys.with(OPTIMIZER + key, value));
    }
}
