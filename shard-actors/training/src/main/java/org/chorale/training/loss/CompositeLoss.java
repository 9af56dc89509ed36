// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.pipeline.LossOutput.Term;
import org.chorale.training.pipeline.NamedTensors;

/** Several losses, each times its factor. Each keeps its own weight: Σ c·(Σ sum ÷ Σ weight). */
public final class CompositeLoss implements LossCalculator {
    private final LossParts parts;

    private CompositeLoss(LossParts parts) {
        this.parts = parts;
    }

    /** Key {@code terms}: a list of { type, config, weight }. */
    public CompositeLoss(Config config) {
        this(LossParts.read(config));
    }

    public static CompositeLoss of(
            LossCalculator first, double firstWeight, LossCalculator second, double secondWeight) {
        return of(List.of(new Part(first, firstWeight), new Part(second, secondWeight)));
    }

    public static CompositeLoss of(
            LossCalculator first,
            double firstWeight,
            LossCalculator second,
            double secondWeight,
            LossCalculator third,
            double thirdWeight) {
        return of(List.of(new Part(first, firstWeight), new Part(second, secondWeight), new Part(third, thirdWeight)));
    }

    public static CompositeLoss of(List<Part> parts) {
        return new CompositeLoss(LossParts.of(parts));
    }

    @Override
    public LossOutput compute(NamedTensors outputs, Context context) {
        List<Term> terms = new ArrayList<>();
        Map<String, Mean> metrics = new LinkedHashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            LossOutput output = parts.compute(i, outputs, context);
            double factor = parts.get(i).weight();
            for (Term term : output.terms()) {
                Tensor scaled = term.sum().mul(Scalars.of(factor));
                terms.add(new Term(parts.termName(i, output, term), scaled, term.weight(), term.meanOnly()));
            }
            metrics.putAll(parts.metrics(i, output));
        }
        return new LossOutput(terms, metrics);
    }

    @Override
    public List<Part> parts() {
        return parts.flattened();
    }

    @Override
    public List<LearnableParameter> parameters() {
        return parts.parameters();
    }

    @Override
    public Config config() {
        return parts.config();
    }
}
