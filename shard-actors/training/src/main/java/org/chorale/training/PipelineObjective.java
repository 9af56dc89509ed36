// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.chorale.training.StepSums.Total;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Term;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.StageRunner;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.ShardView;
import org.jspecify.annotations.Nullable;

/**
 * Training through a pipeline: preprocessors, model, postprocessors, loss. Postprocessors and loss are one small autograd
 * graph over the model's outputs; the gradients of those go back through the model.
 *
 * <p>Each term of the loss is divided by its own weight over the whole global batch. With one term, gradients add up as
 * those of its sum and are divided last. With several, which share the gradients' memory, the weights must be known before
 * the first backward: where a step has several micro-batches, they all run forward once to tell them. Randomness is keyed,
 * so the second forward repeats the first.
 *
 * <p>With several ranks, each has its part of the micro-batches. What is a matter of the global batch they find out
 * together, and where a rank has no rows it does its part of that without computing.
 */
public final class PipelineObjective implements Objective {
    /** Before the name of a parameter of the loss, and the name of the unit that they form. */
    public static final String LOSS_UNIT = "loss";

    private static final boolean ALLOW_UNUSED = true;
    private static final boolean CREATE_GRAPH = false;

    private final PipelineModel model;
    private final Stages stages;
    private final StageRunner runner;
    private final ShardView shard;
    private final WorldSums weightSums;
    private final long seed;
    private List<String> terms = List.of(); // until a loss has shown what it has

    /**
     * @param shard in which parameters of the loss are called {@code loss.NAME}
     * @param seed of the run
     */
    public PipelineObjective(PipelineModel model, Stages stages, ShardView shard, long seed) {
        this.model = model;
        this.stages = stages;
        this.runner = new StageRunner(stages);
        this.shard = shard;
        this.weightSums = new WorldSums(shard.world());
        this.seed = seed;
    }

    @Override
    public void addGradients(long step, List<MicroBatch> microBatches, @Nullable Tensor upstream, StepSums sums) {
        List<MicroBatch> taken = shard.isShared() ? microBatches : withRows(microBatches);
        boolean split = shard.isShared() || taken.size() > 1;
        Map<String, Double> weights = split && mayHaveSeveralTerms() ? weights(step, taken) : Map.of();
        for (MicroBatch microBatch : taken) {
            if (microBatch.sequences() > 0) {
                addGradients(step, microBatch, split, weights, upstream, sums);
            } else {
                passWithoutRows(true);
            }
        }
        if (!mayHaveSeveralTerms()) {
            sums.divideLast();
        }
    }

    private static List<MicroBatch> withRows(List<MicroBatch> microBatches) {
        return microBatches.stream().filter(batch -> batch.sequences() > 0).toList();
    }

    /**
     * Σ weight of each term over the global batch. With a single term there is nothing to know; for one rank alone the
     * first micro-batch tells that.
     */
    private Map<String, Double> weights(long step, List<MicroBatch> microBatches) {
        Map<String, Total> weights = new LinkedHashMap<>();
        for (MicroBatch microBatch : microBatches) {
            if (microBatch.sequences() == 0) {
                passWithoutRows(false);
                continue;
            }
            List<Term> given = new ArrayList<>();
            forwardAlone(step, microBatch, output -> given.addAll(output.terms()));
            refuseMeans(given);
            refuseOtherTerms(given.stream().map(Term::name).toList());
            given.forEach(term -> weights.merge(term.name(), new Total(0, term.weight()), Total::plus));
            if (!shard.isShared() && !mayHaveSeveralTerms()) {
                break;
            }
        }
        Map<String, Total> all = weightSums.add(weights).totals();
        refuseOtherTerms(List.copyOf(all.keySet()));
        return all.entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, total -> total.getValue().weight()));
    }

    /** What a rank without rows does in the place of a micro-batch. */
    private void passWithoutRows(boolean backward) {
        openLoss();
        try (PipelineModel.Pass pass = model.forwardWithoutRows()) {
            if (backward) {
                openLossForBackward();
                closeLossAfterBackward();
                pass.backward(Map.of());
            }
        }
        closeLoss();
    }

    @Override
    public void evaluate(MicroBatch microBatch, StepSums sums) {
        if (microBatch.sequences() > 0) {
            forwardAlone(0, microBatch, sums::add);
        } else {
            passWithoutRows(false);
        }
    }

    /** @param told of the loss, whose tensors are freed after that */
    private void forwardAlone(long step, MicroBatch microBatch, Consumer<LossOutput> told) {
        openLoss();
        try (TensorScope scope = new TensorScope();
                Context context = context(step, microBatch, lossLeaves());
                AutoGradMode off = new AutoGradMode(false)) {
            NamedTensors inputs = runner.preprocess(PipelineBatch.tensors(microBatch, shard.device()), context);
            try (PipelineModel.Pass pass = model.forward(inputs, context)) {
                told.accept(runner.loss(runner.postprocess(pass.outputs(), context), context));
            }
        }
        closeLoss();
    }

    private void addGradients(
            long step,
            MicroBatch microBatch,
            boolean split,
            Map<String, Double> weights,
            @Nullable Tensor upstream,
            StepSums sums) {
        openLoss();
        try (TensorScope scope = new TensorScope()) {
            Map<String, Tensor> lossLeaves = lossLeaves();
            try (Context context = context(step, microBatch, lossLeaves)) {
                NamedTensors inputs = preprocess(microBatch, context);
                try (PipelineModel.Pass pass = model.forward(inputs, context)) {
                    NamedTensors leaves = leaves(pass.outputs());
                    LossOutput output = loss(leaves, context);
                    if (split) {
                        refuseMeans(output.terms());
                    }
                    refuseOtherTerms(output.terms().stream().map(Term::name).toList());
                    sums.add(output);
                    ToDoubleFunction<Term> divisor =
                            split ? term -> weights.getOrDefault(term.name(), 0.0) : Term::weight;
                    openLossForBackward();
                    Map<String, Tensor> gradients = gradients(output, divisor, upstream, leaves, lossLeaves);
                    closeLossAfterBackward();
                    pass.backward(gradients);
                }
            }
        }
    }

    private NamedTensors preprocess(MicroBatch microBatch, Context context) {
        try (AutoGradMode off = new AutoGradMode(false)) {
            return runner.preprocess(PipelineBatch.tensors(microBatch, shard.device()), context);
        }
    }

    private LossOutput loss(NamedTensors outputs, Context context) {
        try (AutoGradMode on = new AutoGradMode(true)) {
            return runner.loss(runner.postprocess(outputs, context), context);
        }
    }

    /** Of the loss with respect to the model's outputs; those of the loss's own parameters are added to them. */
    private Map<String, Tensor> gradients(
            LossOutput output,
            ToDoubleFunction<Term> divisors,
            @Nullable Tensor upstream,
            NamedTensors leaves,
            Map<String, Tensor> lossLeaves) {
        refuseCut(output.terms());
        Ends ends = ends(output, divisors, upstream);
        if (ends.sums().size() == 0) {
            return Map.of();
        }
        List<String> names = new ArrayList<>();
        TensorVector starts = new TensorVector();
        leaves.asMap().forEach((name, leaf) -> {
            if (leaf.requires_grad()) {
                names.add(name);
                starts.push_back(leaf);
            }
        });
        lossLeaves.values().forEach(starts::push_back);
        TensorVector results =
                torch.grad(ends.sums(), starts, ends.incoming(), new BoolOptional(), CREATE_GRAPH, ALLOW_UNUSED);
        addLossGradients(lossLeaves, results, names.size());
        Map<String, Tensor> gradients = new LinkedHashMap<>();
        for (int i = 0; i < names.size(); i++) {
            if (results.get(i).defined()) {
                gradients.put(names.get(i), results.get(i));
            }
        }
        return gradients;
    }

    /** The sums that autograd starts from, and the gradient of the step's loss with respect to each. */
    private record Ends(TensorVector sums, TensorVector incoming) {}

    private Ends ends(LossOutput output, ToDoubleFunction<Term> divisors, @Nullable Tensor upstream) {
        Ends ends = new Ends(new TensorVector(), new TensorVector());
        for (Term term : output.terms()) {
            double divisor = mayHaveSeveralTerms() ? divisors.applyAsDouble(term) : 1;
            if (term.sum().requires_grad() && divisor != 0) {
                Tensor share = torch.full_like(term.sum().detach(), new Scalar(1 / divisor));
                ends.sums().push_back(term.sum());
                ends.incoming()
                        .push_back(
                                upstream == null
                                        ? share
                                        : share.mul_(upstream.reshape().to(share.scalar_type())));
            }
        }
        return ends;
    }

    private void addLossGradients(Map<String, Tensor> lossLeaves, TensorVector results, int from) {
        int at = from;
        for (String name : lossLeaves.keySet()) {
            Tensor gradient = results.get(at++);
            if (gradient.defined()) {
                shard.parameter(lossParameter(name)).addGradient(gradient);
            }
        }
    }

    /** What autograd sees of the model: its outputs, floating-point ones as leaves. */
    private static NamedTensors leaves(NamedTensors outputs) {
        NamedTensors leaves = NamedTensors.empty();
        for (Map.Entry<String, Tensor> output : outputs.asMap().entrySet()) {
            Tensor leaf = output.getValue().detach();
            leaf.set_requires_grad(leaf.is_floating_point());
            leaves = leaves.with(output.getKey(), leaf);
        }
        return leaves;
    }

    private Map<String, Tensor> lossLeaves() {
        Map<String, Tensor> leaves = new LinkedHashMap<>();
        for (LearnableParameter declared : stages.loss().parameters()) {
            Tensor leaf =
                    shard.parameter(lossParameter(declared.name())).value().detach();
            leaf.set_requires_grad(true);
            leaves.put(declared.name(), leaf);
        }
        return leaves;
    }

    private void openLoss() {
        if (hasParameters()) {
            shard.units().open(LOSS_UNIT);
        }
    }

    private void openLossForBackward() {
        if (hasParameters()) {
            shard.units().openForBackward(LOSS_UNIT);
        }
    }

    private void closeLossAfterBackward() {
        if (hasParameters()) {
            shard.units().closeAfterBackward(LOSS_UNIT);
        }
    }

    /** After a forward alone. */
    private void closeLoss() {
        if (hasParameters()) {
            shard.units().close(LOSS_UNIT);
        }
    }

    private boolean hasParameters() {
        return !stages.loss().parameters().isEmpty();
    }

    private Context context(long step, MicroBatch microBatch, Map<String, Tensor> lossLeaves) {
        Context.Place place = new Context.Place(
                seed, step, microBatch.samples(), new Device(shard.device().toString()));
        Context context = new Context(place, name -> {
            Tensor parameter = lossLeaves.get(name);
            if (parameter == null) {
                throw new PipelineException(
                        "the loss has no parameter %s; it has %s".formatted(name, lossLeaves.keySet()));
            }
            return parameter;
        });
        PipelineBatch.fill(context, microBatch, shard.device());
        torch.manual_seed(context.random("stages").number()); // of components that draw from libtorch's own generator
        return context;
    }

    private boolean mayHaveSeveralTerms() {
        return terms.size() != 1;
    }

    /** A term that comes and goes would have no weight over the whole global batch. */
    private void refuseOtherTerms(List<String> names) {
        if (terms.isEmpty()) {
            terms = names;
        } else if (!names.equals(terms)) {
            throw new PipelineException(
                    ("the loss gives the terms %s, and gave %s before: it must give the same for every micro-batch, with"
                                    + " weight 0 where nothing counts")
                            .formatted(names, terms));
        }
    }

    /** Nothing would be trained, and nobody would say so. */
    private static void refuseCut(List<Term> given) {
        boolean counts = given.stream().anyMatch(term -> term.weight() > 0);
        if (counts && given.stream().noneMatch(term -> term.sum().requires_grad())) {
            throw new PipelineException(
                    ("no gradient comes of the loss %s: somewhere between the model's outputs and its sum a detach(), or a"
                                    + " value that was read to the host, cuts what autograd follows")
                            .formatted(given.stream().map(Term::name).toList()));
        }
    }

    private static void refuseMeans(List<Term> terms) {
        for (Term term : terms) {
            if (term.meanOnly()) {
                throw new PipelineException(
                        ("the loss %s gives a mean, which cannot be added up over the micro-batches of a"
                                        + " step: let it give LossOutput.of(name, sum, weight), or make data.micro-batch as large"
                                        + " as data.global-batch")
                                .formatted(term.name()));
            }
        }
    }

    /** What the shard calls a parameter of the loss. */
    public static String lossParameter(String name) {
        return LOSS_UNIT + "." + name;
    }
}
