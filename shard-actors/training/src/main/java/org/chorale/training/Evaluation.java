// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.llama.LlamaModel;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.LossOutput;
import org.chorale.training.shard.ModelShard;

/**
 * Measures a model on held-out examples: loss, and how many completions greedy decoding gives token for token.
 *
 * <p>Greedy decoding gives the reference completion exactly where, at each of its tokens, the most likely token after
 * the prompt and the reference so far is the reference's next one. So one forward pass over prompt and reference
 * together decides it; nothing need be generated.
 */
public final class Evaluation {
    private final ModelShard shard;
    private final CrossEntropyLoss loss = new CrossEntropyLoss();
    private double lossNatsSum;
    private long trainedTokens;
    private long examples;
    private long exact;
    private long judged;

    public Evaluation(ModelShard shard) {
        this.shard = shard;
    }

    /** Adds a batch of examples. */
    public void add(MicroBatch batch) {
        examples += batch.sequences();
        long[] rows = batch.predictingRows();
        if (rows.length == 0) {
            return;
        }
        LlamaModel model = shard.model();
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            SequenceContext context = model.context(batch.sequences(), batch.width(), null);
            Tensor tokens = HostTensors.ofLongs(batch.tokens(), batch.tokens().length);
            Tensor hidden = model.forward(tokens, context, dropped); // [R, D]
            Tensor logits = model.logits(hidden.index_select(0, HostTensors.ofLongs(rows, rows.length))); // [M, V]
            Tensor targets = HostTensors.ofLongs(batch.targets(), rows.length);
            Tensor hits = torch.argmax(logits, new LongOptional(-1), false).eq(targets);
            judge(batch, rows, hits);
            LossOutput output = loss.compute(logits, targets);
            lossNatsSum += output.sum().item_double();
            trainedTokens += output.weight();
        }
    }

    /** Mean over the trained tokens so far; NaN before the first. */
    public double lossNats() {
        return lossNatsSum / trainedTokens;
    }

    public long trainedTokens() {
        return trainedTokens;
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
        Tensor misses = HostTensors.zeros(ScalarType.Long, batch.sequences());
        misses.index_add_(0, sequenceOf(batch, rows), hits.logical_not().to(ScalarType.Long));
        boolean[] predicts = new boolean[batch.sequences()];
        for (long row : rows) {
            predicts[(int) (row / batch.width())] = true;
        }
        for (int i = 0; i < batch.sequences(); i++) {
            boolean hasPrompt = batch.labels()[i * batch.width()] == MicroBatch.IGNORED;
            if (hasPrompt && predicts[i]) {
                judged++;
                exact += misses.select(0, i).item_long() == 0 ? 1 : 0;
            }
        }
    }

    private static Tensor sequenceOf(MicroBatch batch, long[] rows) {
        long[] sequences = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            sequences[i] = rows[i] / batch.width();
        }
        return HostTensors.ofLongs(sequences, sequences.length);
    }
}
