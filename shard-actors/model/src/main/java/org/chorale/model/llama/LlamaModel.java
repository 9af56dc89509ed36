// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.llama;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Embedding;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.RmsNorm;
import org.chorale.model.layer.Rotary;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A Llama: embedding, blocks, norm, head.
 *
 * <p>B batch, T tokens, R = B·T rows, D model width, V vocabulary. The hidden states that leave the last norm and the
 * logits are separate steps, so that the head runs only on rows whose logits somebody reads.
 */
public final class LlamaModel implements AutoCloseable {
    private final LlamaConfig config;
    private final boolean recompute;
    private final Embedding embedding;
    private final List<LlamaBlock> blocks = new ArrayList<>();
    private final RmsNorm norm;
    private final Linear head;
    private HeldTensors rotaryOwner = new HeldTensors();
    private @Nullable Rotary rotaryTable; // of as many positions as the longest sequence so far

    /**
     * @param parameters by published name; their owner outlives the model
     * @param recompute whether a block keeps only its input and runs again before its backward
     */
    public LlamaModel(LlamaConfig config, Function<String, Parameter> parameters, boolean recompute) {
        this.config = config;
        this.recompute = recompute;
        this.embedding = new Embedding(parameters.apply(LlamaNames.EMBEDDING));
        for (int layer = 0; layer < config.layers(); layer++) {
            blocks.add(new LlamaBlock(config, LlamaNames.block(layer), parameters));
        }
        this.norm = new RmsNorm(parameters.apply(LlamaNames.NORM), config.epsilon());
        this.head = new Linear(parameters.apply(config.tied() ? LlamaNames.EMBEDDING : LlamaNames.HEAD), null);
    }

    /** What such a model is made of. */
    public static List<UnitOutline> units(LlamaConfig config) {
        return LlamaNames.units(config);
    }

    /**
     * Sets up what the blocks of one forward and its backward share.
     *
     * @param keyMask [B, T] int64, 0 where a token is padding that nobody may see; null for batches padded on the
     *     right whose padding nobody reads
     */
    public SequenceContext context(long sequences, long tokens, @Nullable Tensor keyMask) {
        try (TensorScope scope = new TensorScope()) {
            Tensor mask = keyMask == null ? null : scope.keep(causalMask(tokens, keyMask));
            Rotary table = rotary(tokens);
            return new SequenceContext(
                    sequences,
                    tokens,
                    new Rotary(
                            scope.keep(table.cosine().narrow(0, 0, tokens)),
                            scope.keep(table.sine().narrow(0, 0, tokens))),
                    mask);
        }
    }

    /**
     * @param tokens [R] int64
     * @return hidden states after the last norm, [R, D]
     */
    public Tensor forward(Tensor tokens, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(tokens);
            Tensor x = embedding.forward(tokens);
            for (LlamaBlock block : blocks) {
                x = forward(block, x, context, tape);
            }
            return scope.keep(norm.forward(x, tape));
        }
    }

    /** Adds to the gradients of everything but the head; {@code dHidden} is [R, D]. */
    public void backward(Tensor dHidden, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dx = norm.backward(dHidden, tape);
            for (int layer = blocks.size() - 1; layer >= 0; layer--) {
                dx = backward(blocks.get(layer), dx, context, tape);
            }
            embedding.backward(dx, tape.pop());
        }
    }

    /** [rows, D] → logits [rows, V] */
    public Tensor logits(Tensor hidden) {
        return head.forward(hidden);
    }

    /**
     * Adds to the head's gradient.
     *
     * @return the gradient of the hidden states, [rows, D]
     */
    public Tensor logitsBackward(Tensor dLogits, Tensor hidden) {
        return head.backward(dLogits, hidden);
    }

    /** D. */
    public long width() {
        return config.width();
    }

    @Override
    public void close() {
        rotaryOwner.close();
    }

    private Tensor forward(LlamaBlock block, Tensor x, SequenceContext context, Tape tape) {
        if (!recompute) {
            return block.forward(x, context, tape);
        }
        tape.push(x);
        try (Tape dropped = new Tape()) {
            return block.forward(x, context, dropped);
        }
    }

    private Tensor backward(LlamaBlock block, Tensor dy, SequenceContext context, Tape tape) {
        if (!recompute) {
            return block.backward(dy, context, tape);
        }
        try (TensorScope scope = new TensorScope();
                Tape again = new Tape()) {
            block.forward(tape.pop(), context, again);
            return scope.keep(block.backward(dy, context, again));
        }
    }

    private Rotary rotary(long tokens) {
        Rotary table = rotaryTable;
        if (table == null || table.cosine().size(0) < tokens) {
            rotaryOwner.close();
            rotaryOwner = new HeldTensors();
            table = makeRotary(Math.max(tokens, 256));
            rotaryTable = table;
        }
        return table;
    }

    private Rotary makeRotary(long positions) {
        try (TensorScope scope = new TensorScope()) {
            Tensor frequencies = config.rope().compute(config.headWidth()); // [H/2]
            Tensor angles = torch.arange(Scalars.of((double) positions))
                    .to(ScalarType.Float)
                    .unsqueeze(-1)
                    .mul(frequencies)
                    .unsqueeze(1); // [positions, 1, H/2]
            return new Rotary(rotaryOwner.hold(angles.cos()), rotaryOwner.hold(angles.sin()));
        }
    }

    /**
     * 0 where a query may see a key, the smallest fp32 elsewhere: a query that sees nothing then attends evenly, as in
     * the reference, instead of turning into NaN. [B, 1, T, T]
     */
    private static Tensor causalMask(long tokens, Tensor keyMask) {
        try (TensorScope scope = new TensorScope()) {
            Tensor later = torch.ones(tokens, tokens).triu(1).to(ScalarType.Bool); // [T, T]
            Tensor padding = keyMask.eq(Scalars.of(0)).unsqueeze(1).unsqueeze(1); // [B, 1, 1, T]
            Tensor hidden = later.logical_or(padding); // [B, 1, T, T]
            return scope.keep(hidden.to(ScalarType.Float).masked_fill_(hidden, Scalars.of(-Float.MAX_VALUE)));
        }
    }
}
