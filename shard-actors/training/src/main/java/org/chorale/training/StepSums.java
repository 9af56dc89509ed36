// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.pipeline.LossOutput.Term;

/** The terms and metrics of a loss, added up over micro-batches. */
final class StepSums implements AutoCloseable {
    private final class Sum {
        private final Tensor sum;
        private double weight;

        /** On the device of what will be added. */
        Sum(Tensor like) {
            try (TensorScope scope = new TensorScope()) {
                sum = owner.hold(Device.of(like).zeros(ScalarType.Double, 1));
            }
        }

        void add(Tensor addend, double more) {
            sum.add_(addend.detach());
            weight += more;
        }

        Mean mean() {
            return new Mean(sum, weight);
        }

        /** Waits for the device. */
        Total total() {
            return new Total(sum.item_double(), weight);
        }
    }

    /** A sum and its weight on the host. */
    record Total(double sum, double weight) {
        static final Total NOTHING = new Total(0, 0);

        Total plus(Total other) {
            return new Total(sum + other.sum, weight + other.weight);
        }

        /** 0 where nothing counts. */
        double mean() {
            return weight == 0 ? 0 : sum / weight;
        }
    }

    private final HeldTensors owner = new HeldTensors();
    private final Map<String, Sum> terms = new LinkedHashMap<>();
    private final Map<String, Sum> metrics = new LinkedHashMap<>();
    private boolean dividedLast;

    /** Adds a micro-batch. */
    void add(LossOutput output) {
        for (Term term : output.terms()) {
            addTerm(term.name(), term.sum(), term.weight());
        }
        output.metrics().forEach((name, mean) -> add(metrics, name, mean));
    }

    void addTerm(String name, Tensor sum, double weight) {
        add(terms, name, new Mean(sum, weight));
    }

    private void add(Map<String, Sum> sums, String name, Mean mean) {
        sums.computeIfAbsent(name, n -> new Sum(mean.sum())).add(mean.sum(), mean.weight());
    }

    /** With one term, gradients stay those of its sum, and are divided last; else by each term's weight before. */
    void divideLast() {
        dividedLast = true;
    }

    /** Whether the gradients are still those of the one term's sum. */
    boolean isDividedLast() {
        return dividedLast;
    }

    /** All that was added so far, terms first, by {@link StepTotals key}; each sum is [1] fp64, and this owns it. */
    Map<String, Mean> byKey() {
        Map<String, Mean> all = new LinkedHashMap<>();
        terms.forEach((name, sum) -> all.put(StepTotals.termKey(name), sum.mean()));
        metrics.forEach((name, sum) -> all.put(StepTotals.metricKey(name), sum.mean()));
        return all;
    }

    /** All that was added so far. Waits for the device. */
    StepTotals totals() {
        return new StepTotals(totals(terms), totals(metrics));
    }

    private static Map<String, Total> totals(Map<String, Sum> sums) {
        Map<String, Total> totals = new LinkedHashMap<>();
        sums.forEach((name, sum) -> totals.put(name, sum.total()));
        return totals;
    }

    @Override
    public void close() {
        owner.close();
    }
}
