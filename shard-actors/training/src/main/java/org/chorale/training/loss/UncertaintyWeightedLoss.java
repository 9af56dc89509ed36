// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.pipeline.LossOutput.Term;
import org.chorale.training.pipeline.NamedTensors;

/**
 * Several losses that find their own balance: Σ c·(exp(−s)·L + s), with a learnable s for each, 0 at first.
 *
 * <p>Kendall, Gal and Cipolla 2018 (arXiv 1705.07115) derive L/(2σ²) + log σ for a regression (equation 7) and learn
 * s = log σ², because that is stable; with s it reads ½(exp(−s)·L + s), of which this is twice. So a factor c of ½ gives
 * theirs.
 *
 * <p>Both summands add up exactly: with the sum and weight of a micro-batch, exp(−s)·sum + s·weight has the same weight.
 */
public final class UncertaintyWeightedLoss implements LossCalculator {
    private static final String PARAMETER = "log_variance.";

    private final LossParts parts;

    private UncertaintyWeightedLoss(LossParts parts) {
        this.parts = parts;
    }

    /** Key {@code terms}: a list of { type, config, weight }. */
    public UncertaintyWeightedLoss(Config config) {
        this(LossParts.read(config));
    }

    /** Of losses, each with factor 1. */
    public static UncertaintyWeightedLoss of(LossCalculator... losses) {
        return new UncertaintyWeightedLoss(LossParts.of(
                Arrays.stream(losses).map(loss -> new Part(loss, 1)).toList()));
    }

    @Override
    public LossOutput compute(NamedTensors outputs, Context context) {
        List<Term> terms = new ArrayList<>();
        Map<String, Mean> metrics = new LinkedHashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            LossOutput output = parts.compute(i, outputs, context);
            Tensor logVariance = context.parameter(PARAMETER + parts.name(i)); // []
            for (Term term : output.terms()) {
                Tensor balanced = term.sum()
                        .mul(logVariance.neg().exp())
                        .add(logVariance.mul(weight(term, logVariance)))
                        .mul(Scalars.of(parts.get(i).weight()));
                terms.add(new Term(parts.termName(i, output, term), balanced, term.weight(), term.meanOnly()));
            }
            metrics.putAll(parts.metrics(i, output));
        }
        return new LossOutput(terms, metrics);
    }

    /** As a tensor: it changes with every batch. */
    private static Tensor weight(Term term, Tensor like) {
        return torch.full_like(like.detach(), new Scalar(term.weight()));
    }

    @Override
    public List<Part> parts() {
        return parts.flattened();
    }

    @Override
    public List<LearnableParameter> parameters() {
        Stream<LearnableParameter> own = IntStream.range(0, parts.size())
                .mapToObj(i -> LearnableParameter.of(PARAMETER + parts.name(i), FirstValue.constant(0)));
        return Stream.concat(own, parts.parameters().stream()).toList();
    }

    @Override
    public Config config() {
        return parts.config();
    }
}
