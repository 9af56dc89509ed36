// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.chorale.training.StepSums.Total;

/** The terms and metrics of a loss over all micro-batches of a step, of one rank or of all, by name. */
record StepTotals(Map<String, Total> terms, Map<String, Total> metrics) {
    /** Tell terms from metrics where both have a name in one map. */
    private static final String TERM = "term ";

    private static final String METRIC = "metric ";

    static String termKey(String term) {
        return TERM + term;
    }

    static String metricKey(String metric) {
        return METRIC + metric;
    }

    static boolean isTerm(String key) {
        return key.startsWith(TERM);
    }

    /** Of one map by key. */
    static StepTotals ofKeys(Map<String, Total> all) {
        return new StepTotals(withPrefix(all, TERM), withPrefix(all, METRIC));
    }

    private static Map<String, Total> withPrefix(Map<String, Total> all, String prefix) {
        Map<String, Total> some = new LinkedHashMap<>();
        all.forEach((key, total) -> {
            if (key.startsWith(prefix)) {
                some.put(key.substring(prefix.length()), total);
            }
        });
        return some;
    }

    /** Whether nothing counts at all. */
    boolean isEmpty() {
        return terms.values().stream().allMatch(total -> total.weight() == 0);
    }

    /** Of the first term, whose unit is the token in most pipelines. */
    double firstWeight() {
        return terms.isEmpty() ? 0 : terms.values().iterator().next().weight();
    }

    /** The sum of the terms' means. */
    double loss() {
        double loss = 0;
        for (Total total : terms.values()) {
            loss += total.mean();
        }
        return loss;
    }

    /** Means by name: {@code loss.TERM} for each term where there are several, and the metrics. */
    Map<String, Double> means() {
        Map<String, Double> means = new LinkedHashMap<>();
        if (terms.size() > 1) {
            terms.forEach((name, total) -> means.put("loss." + name, total.mean()));
        }
        metrics.forEach((name, total) -> means.put(name, total.mean()));
        return means;
    }
}
