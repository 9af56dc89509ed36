// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.chorale.model.decoder.FeedForwardConfig.Dense;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.LinearOutline;

/**
 * What the families with mixtures of experts say of them.
 *
 * @param count E
 * @param chosen k of each row
 * @param normalised whether the weights of a row's experts add up to 1
 * @param balance of the loss that balances the routers; 0 where the configuration does not ask for it
 */
record Experts(int count, int chosen, boolean normalised, double balance) {
    private static final long MAX_EXPERTS = 4096;
    private static final String COUNT = "num_experts";
    private static final String LOCAL_COUNT = "num_local_experts"; // of this process, which has all of them
    private static final String COEFFICIENT = "router_aux_loss_coef";
    private static final String CHOSEN = "num_experts_per_tok";

    /**
     * Reads and checks them.
     *
     * @param count where it is not given
     * @param chosen likewise
     */
    static Experts read(ConfigJson json, long count, long chosen, boolean normalised) {
        long experts = json.count(COUNT, MAX_EXPERTS, json.count(LOCAL_COUNT, MAX_EXPERTS, count));
        if (json.has(COUNT) && json.has(LOCAL_COUNT) && json.count(LOCAL_COUNT, MAX_EXPERTS) != experts) {
            json.problem("%s = %d and %s = %s: must be the same number where both are given"
                    .formatted(COUNT, experts, LOCAL_COUNT, json.root().path(LOCAL_COUNT)));
        }
        long ofRow = json.count(CHOSEN, MAX_EXPERTS, chosen);
        if (ofRow > experts) {
            json.problem("%s = %d: must be no more than the %d experts".formatted(CHOSEN, ofRow, experts));
        }
        double coefficient = coefficient(json);
        boolean balanced = json.flag("output_router_logits", false);
        return new Experts((int) experts, (int) ofRow, normalised, balanced ? coefficient : 0);
    }

    private static double coefficient(ConfigJson json) {
        JsonNode value = json.root().path(COEFFICIENT);
        if (!json.has(COEFFICIENT)) {
            return 0.001;
        }
        if (!value.isNumber() || !(value.doubleValue() >= 0) || Double.isInfinite(value.doubleValue())) {
            json.problem("%s = %s: must be a number, 0 or above".formatted(COEFFICIENT, value));
        }
        return value.doubleValue();
    }

    /** @param expert what each number stands for */
    Mixture mixture(LinearOutline router, IntFunction<Dense> expert) {
        return new Mixture(router, IntStream.range(0, count).mapToObj(expert).toList(), chosen, normalised, balance);
    }
}
