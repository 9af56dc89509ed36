// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import java.util.ArrayList;
import java.util.List;

/**
 * How the next token is chosen.
 *
 * @param temperature the logits are divided by it; 0 takes the likeliest token always
 * @param topK only so many of the likeliest tokens are drawn from, and what is as likely as the last of them; 0 for all
 * @param topP of those, only the likeliest that together have this probability, at least one; 1 for all
 * @param seed of what is drawn
 */
public record Sampling(double temperature, int topK, double topP, long seed) {
    /** The likeliest token always. */
    public static final Sampling GREEDY = new Sampling(0, 0, 1, 0);

    public Sampling {
        List<String> problems = new ArrayList<>();
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            problems.add("temperature = " + temperature + ": must be 0 or above");
        }
        if (topK < 0) {
            problems.add("top-k = " + topK + ": must be 0, for all, or above");
        }
        if (!(topP > 0 && topP <= 1)) {
            problems.add("top-p = " + topP + ": must be above 0 and at most 1");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }
}
