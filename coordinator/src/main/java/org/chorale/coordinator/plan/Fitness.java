// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.chorale.coordinator.plan.EvaluationSettings.Metric;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.StepReport;

/** Whether model, data and settings can be trained together, and what to say where they cannot. */
public final class Fitness {
    /** Samples that a message lists; the metrics have all of them. */
    private static final int LISTED_SAMPLES = 32;

    /** Rows of a matrix that GPUs multiply fast. */
    private static final long GOOD_MULTIPLE = 64;

    private Fitness() {}

    /** Everything that does not fit, in one fault whose code is that of the first line; empty where all fits. */
    static Optional<Fault> misfit(RunTerms terms, ModelOutline model, DataFacts data, Optional<ResumePoint> resume) {
        List<Fault> faults = new ArrayList<>();
        if (data.examples() == 0) {
            faults.add(new Fault(FaultCode.DATA_EMPTY, "data.train holds no usable example"));
        }
        addMisfits(faults, terms, model, data.tokenIds());
        if (data.evaluationExamples() == 0) {
            unmeasured(terms).ifPresent(faults::add);
        }
        resume.flatMap(ResumePoint::configDigest)
                .filter(digest -> !digest.equals(model.getConfigSha256()))
                .ifPresent(digest -> faults.add(modelChanged(digest, model.getConfigSha256())));
        resume.flatMap(ResumePoint::dataDigest)
                .filter(digest -> !digest.equals(data.digest()))
                .ifPresent(digest -> faults.add(dataChanged(digest, data.digest())));
        return together(faults);
    }

    /** Everything that keeps the model from being measured on the held-out examples. */
    public static Optional<Fault> misfit(RunTerms terms, ModelOutline model, long evaluationExamples, long tokenIds) {
        List<Fault> faults = new ArrayList<>();
        if (evaluationExamples == 0) {
            faults.add(new Fault(FaultCode.DATA_EMPTY, "data.eval holds no usable example"));
        }
        addMisfits(faults, terms, model, tokenIds);
        return together(faults);
    }

    private static void addMisfits(List<Fault> faults, RunTerms terms, ModelOutline model, long tokenIds) {
        if (parameters(model) == 0) {
            faults.add(new Fault(
                    FaultCode.MODEL_MISMATCH, "the model (%s) has no parameters".formatted(model.getFamily())));
        }
        if (tokenIds > model.getVocabulary()) {
            faults.add(new Fault(
                    FaultCode.TOKENIZER_INVALID,
                    ("the tokenizer gives token ids up to %d, but the model's vocabulary has only %d rows: set"
                                    + " data.tokenizer.path to the model's own tokenizer, or model.resize-embeddings to %d")
                            .formatted(tokenIds - 1, model.getVocabulary(), resized(tokenIds))));
        }
        if (terms.data().sequenceTokens() > model.getContextTokens()) {
            faults.add(new Fault(
                    FaultCode.CONFIG_INVALID,
                    "data.sequence-tokens = %d: must be at most %d, the model's max_position_embeddings"
                            .formatted(terms.data().sequenceTokens(), model.getContextTokens())));
        }
    }

    private static long resized(long tokenIds) {
        return (tokenIds + GOOD_MULTIPLE - 1) / GOOD_MULTIPLE * GOOD_MULTIPLE;
    }

    private static Optional<Fault> together(List<Fault> faults) {
        return faults.stream()
                .findFirst()
                .map(first -> new Fault(
                        first.code(), faults.stream().map(Fault::message).collect(Collectors.joining("\n"))));
    }

    private static Fault modelChanged(String then, String now) {
        return new Fault(
                FaultCode.MODEL_MISMATCH,
                "model.path/config.json: the run began with one of SHA-256 %s, now it is %s:".formatted(then, now)
                        + " restore the file, or start another run in another --run-dir");
    }

    private static Fault dataChanged(String then, String now) {
        return new Fault(
                FaultCode.DATA_CHANGED,
                "data.train: the run began with data or tokenizer of SHA-256 %s, now it is %s:".formatted(then, now)
                        + " restore data and tokenizer, or start another run in another --run-dir");
    }

    /** Feeders that do not see the same data, if there are such: the batches of one run would differ by feeder. */
    static Optional<Fault> unlikeData(Map<String, DataFacts> byFeeder) {
        if (byFeeder.values().stream().distinct().count() == 1) {
            return Optional.empty();
        }
        String seen = new TreeMap<>(byFeeder)
                .entrySet().stream()
                        .map(entry -> "  %s: %d examples, SHA-256 %s"
                                .formatted(
                                        entry.getKey(),
                                        entry.getValue().examples(),
                                        entry.getValue().digest()))
                        .collect(Collectors.joining("\n"));
        return Optional.of(new Fault(
                FaultCode.DATA_CHANGED, "data.train and tokenizer must be the same on all feeders:\n" + seen));
    }

    /** Keys that need evaluations where there is nothing to evaluate. */
    private static Optional<Fault> unmeasured(RunTerms terms) {
        List<String> keys = new ArrayList<>();
        if (terms.checkpoint().keepBest()) {
            keys.add("checkpoint.keep-best = true");
        }
        if (terms.evaluation().patience() > 0) {
            keys.add("evaluation.patience = " + terms.evaluation().patience());
        }
        return keys.isEmpty()
                ? Optional.empty()
                : Optional.of(new Fault(
                        FaultCode.CONFIG_INVALID,
                        String.join(" and ", keys) + ": without held-out examples nothing is evaluated;"
                                + " set data.eval.path or data.eval.share"));
    }

    /** Why an evaluation cannot be compared with others, if it cannot. */
    static Optional<Fault> incomparable(RunTerms terms, EvaluationReport report) {
        boolean compares = terms.checkpoint().keepBest() || terms.evaluation().patience() > 0;
        return compares && terms.evaluation().metric() == Metric.EXACT_MATCH && report.getJudged() == 0
                ? Optional.of(new Fault(
                        FaultCode.CONFIG_INVALID,
                        "evaluation.metric = exact-match: none of the held-out examples has a prompt and a completion;"
                                + " must be loss with such data"))
                : Optional.empty();
    }

    /** Both faults, under the code of the first. */
    static Fault both(Fault first, Fault second) {
        return new Fault(first.code(), first.message() + "\n" + second.message());
    }

    static Fault noBest() {
        return new Fault(
                FaultCode.NOT_FINITE,
                "checkpoint.export = best: no evaluation after step 0 was finite, so none is the best; the last"
                        + " checkpoint is whole, and chorale export writes its model");
    }

    static Fault notFinite(StepReport report, int skippedInARow) {
        String samples = report.getSamplesList().stream()
                .limit(LISTED_SAMPLES)
                .map(String::valueOf)
                .collect(Collectors.joining(", "));
        String more = report.getSamplesCount() > LISTED_SAMPLES
                ? " and %d more".formatted(report.getSamplesCount() - LISTED_SAMPLES)
                : "";
        return new Fault(
                FaultCode.NOT_FINITE,
                "step %d, samples [%s%s]: loss or gradient is not finite, the %d. time in a row;"
                                .formatted(report.getStep(), samples, more, skippedInARow)
                        + " lower optimizer.learning-rate, look at these samples, or raise run.non-finite-steps");
    }

    /** Elements of all parameters of the model itself. */
    static long parameters(ModelOutline model) {
        return model.getUnitsList().stream()
                .filter(unit -> !unit.getCopied())
                .flatMap(unit -> unit.getParametersList().stream())
                .mapToLong(Fitness::elements)
                .reduce(0, Math::addExact);
    }

    /** Elements of one parameter; an empty shape is a scalar. */
    static long elements(ParameterOutline parameter) {
        return parameter.getShapeList().stream().reduce(1L, Math::multiplyExact);
    }
}
