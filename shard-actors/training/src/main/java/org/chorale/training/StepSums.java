// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.pipeline.LossOutput.Term;

/** The terms and metrics of a loss, added up over micro-batches. */
final class StepSums implements AutoCloseable {
    private final class Sum {
        private final Tensor sum;
        private double weight;

        Sum() {
            try (TensorScope scope = new TensorScope()) {
                sum = owner.hold(HostTensors.zeros(ScalarType.Double, 1));
            }
        }

        void add(Tensor addend, double more) {
            sum.add_(addend.detach());
            weight += more;
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
        sums.computeIfAbsent(name, n -> new Sum()).add(mean.sum(), mean.weight());
    }

    /** With one term, gradients stay those of its sum, and are divided last; else by each term's weight before. */
    void divideLast() {
        dividedLast = true;
    }

    /** What is left to divide the gradients by, which are those of a step with these totals. */
    double divisor(StepTotals totals) {
        return dividedLast ? totals.firstWeight() : 1;
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
