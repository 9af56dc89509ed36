// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
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

        /** [1]; 0 where nothing counts. */
        Tensor mean() {
            return weight == 0 ? HostTensors.zeros(ScalarType.Double, 1) : sum.div(new Scalar(weight));
        }
    }

    /** A sum and its weight on the host. */
    record Total(double sum, double weight) {
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
    private double divisor = 1;

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

    /** Whether nothing counts at all. */
    boolean isEmpty() {
        return terms.values().stream().allMatch(sum -> sum.weight == 0);
    }

    /** Of the first term, whose unit is the token in most pipelines. */
    double firstWeight() {
        return terms.isEmpty() ? 0 : terms.values().iterator().next().weight;
    }

    /** What is left to divide the gradients by: 1 where each term's were divided by its weight already. */
    double divisor() {
        return divisor;
    }

    /** With one term, gradients are divided last. */
    void divideBy(double weight) {
        divisor = weight;
    }

    /** [1] fp64: the sum of the terms' means; belongs to the innermost open scope. */
    Tensor loss() {
        Tensor loss = HostTensors.zeros(ScalarType.Double, 1);
        terms.values().forEach(sum -> loss.add_(sum.mean()));
        return loss;
    }

    /** The terms. Waits for the device. */
    Map<String, Total> totals() {
        Map<String, Total> totals = new LinkedHashMap<>();
        terms.forEach((name, sum) -> totals.put(name, new Total(sum.sum.item_double(), sum.weight)));
        return totals;
    }

    /** Means by name: {@code loss.TERM} for each term where there are several, and the metrics. Waits for the device. */
    Map<String, Double> means() {
        Map<String, Double> means = new LinkedHashMap<>();
        if (terms.size() > 1) {
            terms.forEach((name, sum) -> means.put("loss." + name, sum.mean().item_double()));
        }
        metrics.forEach((name, sum) -> means.put(name, sum.mean().item_double()));
        return means;
    }

    @Override
    public void close() {
        owner.close();
    }
}
