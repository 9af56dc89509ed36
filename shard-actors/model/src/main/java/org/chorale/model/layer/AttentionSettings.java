// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.Locale;
import java.util.Properties;

/**
 * What the JVM's system properties say of attention on a GPU; both concern bf16 and fp16 above all.
 *
 * <p>{@code chorale.attention}: {@code auto} (the default) takes flash or cuDNN, whichever is faster for a shape,
 * {@code flash} and {@code cudnn} say which.
 *
 * <p>{@code chorale.attention.deterministic}: {@code true} makes the backward add up in one order, so that a step that
 * is run again gives the same bits. Without it neither flash nor cuDNN repeats a step bit for bit, in one process or in
 * two; the gradients differ by the rounding of fp32 sums, whichever of them computes. With it flash is taken, never
 * cuDNN. The price is memory and time: flash holds ⌈SMs / (B·N)⌉ + 1 copies of the gradient of q in fp32 instead of one
 * and its authors call it slightly slower.
 */
record AttentionSettings(Preference preference, boolean deterministic) {
    static final String PREFERENCE = "chorale.attention";
    static final String DETERMINISTIC = "chorale.attention.deterministic";

    enum Preference {
        AUTO,
        FLASH,
        CUDNN
    }

    AttentionSettings {
        if (deterministic && preference == Preference.CUDNN) {
            throw new IllegalArgumentException(
                    "-D%s=cudnn and -D%s=true: cuDNN's backward is not deterministic, flash's is"
                            .formatted(PREFERENCE, DETERMINISTIC));
        }
    }

    static AttentionSettings read(Properties properties) {
        return new AttentionSettings(preference(properties), deterministic(properties));
    }

    private static Preference preference(Properties properties) {
        String value = properties.getProperty(PREFERENCE, "auto");
        for (Preference preference : Preference.values()) {
            if (preference.name().toLowerCase(Locale.ROOT).equals(value)) {
                return preference;
            }
        }
        throw new IllegalArgumentException("-D%s=%s: it is auto, flash or cudnn".formatted(PREFERENCE, value));
    }

    private static boolean deterministic(Properties properties) {
        String value = properties.getProperty(DETERMINISTIC, "false");
        if (!value.equals("true") && !value.equals("false")) {
            throw new IllegalArgumentException("-D%s=%s: it is true or false".formatted(DETERMINISTIC, value));
        }
        return value.equals("true");
    }
}
