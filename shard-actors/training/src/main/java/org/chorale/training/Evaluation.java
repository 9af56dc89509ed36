// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;
import org.chorale.training.StepSums.Total;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.shard.ModelShard;

/**
 * Measures a model on held-out examples: loss, and how many completions greedy decoding gives token for token.
 *
 * <p>Greedy decoding gives the reference completion exactly where, at each of its tokens, the most likely token after
 * the prompt and the reference so far is the reference's next one. So one forward pass over prompt and reference
 * together decides it; nothing need be generated.
 */
public final class Evaluation {
    private final Objective objective;
    private Map<String, Total> sums = new LinkedHashMap<>(); // by the keys of StepTotals
    private long examples;
    private long exact;
    private long judged;

    /** Of plain language-model training without any regularisation. */
    public Evaluation(ModelShard shard) {
        this(new LanguageModelObjective(shard, CrossEntropySettings.PLAIN, 0));
    }

    /** Of what is trained on. With a pipeline no example is judged. */
    public Evaluation(Objective objective) {
        this.objective = objective;
    }

    /** Adds a batch of examples. */
    public void add(MicroBatch batch) {
        examples += batch.sequences();
        try (TensorScope scope = new TensorScope();
                StepSums ofBatch = new StepSums()) {
            if (objective instanceof LanguageModelObjective languageModel) {
                Tensor hits = languageModel.hits(batch, ofBatch);
                judge(batch, batch.predictingRows(), hits);
            } else {
                objective.evaluate(batch, ofBatch);
            }
            add(ofBatch);
        }
    }

    private void add(StepSums more) {
        StepTotals totals = more.totals();
        totals.terms().forEach((name, total) -> sums.merge(StepTotals.termKey(name), total, Total::plus));
        totals.metrics().forEach((name, total) -> sums.merge(StepTotals.metricKey(name), total, Total::plus));
    }

    /**
     * Adds up what all ranks have measured, after which it is the same on all. Called once on every rank, each of which
     * has added as many batches, some of them without sequences where a rank has fewer.
     */
    public void finish(Collectives world) {
        try (TensorScope scope = new TensorScope();
                StepSums last = new StepSums()) {
            objective.finishEvaluation(last);
            add(last);
        }
        WorldSums.Sums all = new WorldSums(world).add(sums, (double) examples, (double) exact, (double) judged);
        examples = Math.round(all.number(0));
        exact = Math.round(all.number(1));
        judged = Math.round(all.number(2));
        sums = all.totals();
    }

    /** The sum of the terms' means over all that counts so far; NaN before the first. */
    public double lossNats() {
        return trainedTokens() == 0 ? Double.NaN : totals().loss();
    }

    /** Means by name: of the terms where there are several, and of whatever the losses report besides. */
    public Map<String, Double> metrics() {
        return trainedTokens() == 0 ? Map.of() : totals().means();
    }

    private StepTotals totals() {
        return StepTotals.ofKeys(sums);
    }

    /** Labels that counted; with a pipeline the weight of its first term. */
    public long trainedTokens() {
        return Math.round(totals().firstWeight());
    }

    public long examples() {
        return examples;
    }

    /** Examples whose completion greedy decoding gives. */
    public long exact() {
        return exact;
    }

    /** Examples that have a prompt and a completion. */
    public long judged() {
        return judged;
    }

    private void judge(MicroBatch batch, long[] rows, Tensor hits) {
        Device device = Device.of(hits);
        Tensor misses = device.zeros(ScalarType.Long, batch.sequences());
        misses.index_add_(
                0,
                device.ofLongs(sequenceOf(batch, rows), rows.length),
                hits.logical_not().to(ScalarType.Long));
        Tensor counts = misses.cpu();
        boolean[] predicts = new boolean[batch.sequences()];
        for (long row : rows) {
            predicts[(int) (row / batch.width())] = true;
        }
        for (int i = 0; i < batch.sequences(); i++) {
            boolean hasPrompt = batch.labels()[i * batch.width()] == MicroBatch.IGNORED;
            if (hasPrompt && predicts[i]) {
                judged++;
                exact += counts.select(0, i).item_long() == 0 ? 1 : 0;
            }
        }
    }

    private static long[] sequenceOf(MicroBatch batch, long[] rows) {
        long[] sequences = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            sequences[i] = rows[i] / batch.width();
        }
        return sequences;
    }
}
