// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * A loss as sums, so that micro-batches and ranks of any size add up: the loss of a step is the sum over its terms of
 * Σ sum ÷ Σ weight, each over the whole global batch.
 *
 * @param terms at least one; the same names in the same order for every micro-batch
 * @param metrics more to report, by name; no gradient comes of them
 */
public record LossOutput(List<Term> terms, Map<String, Mean> metrics) {
    /**
     * A summand of the loss.
     *
     * @param sum [] over what counts
     * @param weight how much counts: tokens, elements, examples; 0 where nothing does
     * @param meanOnly whether {@code sum} is in truth a mean, which cannot be added up
     */
    public record Term(String name, Tensor sum, double weight, boolean meanOnly) {
        public Term {
            if (sum.numel() != 1) {
                throw new PipelineException("the loss %s gives a sum of shape %s: it must be a single number"
                        .formatted(name, Arrays.toString(sum.shape())));
            }
            if (!(weight >= 0 && Double.isFinite(weight))) {
                throw new PipelineException(
                        "the loss %s gives the weight %s: it must be a number from 0".formatted(name, weight));
            }
        }
    }

    /** Σ sum ÷ Σ weight is reported. */
    public record Mean(Tensor sum, double weight) {}

    public LossOutput {
        terms = List.copyOf(terms);
        metrics = new LinkedHashMap<>(metrics);
        if (terms.stream().map(Term::name).distinct().count() < Math.max(1, terms.size())) {
            throw new PipelineException("a loss must have at least one term, each with a name of its own; this one has "
                    + terms.stream().map(Term::name).toList());
        }
    }

    /** A loss of one term. */
    public static LossOutput of(String name, Tensor sum, double weight) {
        return new LossOutput(List.of(new Term(name, sum, weight, false)), Map.of());
    }

    /** A loss that can only give a mean. It is refused where a step has more than one micro-batch. */
    public static LossOutput mean(String name, Tensor mean) {
        return new LossOutput(List.of(new Term(name, mean, 1, true)), Map.of());
    }

    /** The same loss, with more to report. */
    public LossOutput withMetric(String name, Tensor sum, double weight) {
        Map<String, Mean> more = new LinkedHashMap<>(metrics);
        more.put(name, new Mean(sum.detach(), weight));
        return new LossOutput(new ArrayList<>(terms), more);
    }
}
