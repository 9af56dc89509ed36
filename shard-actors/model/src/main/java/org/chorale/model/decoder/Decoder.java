// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.Embedding;
import org.chorale.model.layer.Fp8Linears;
import org.chorale.model.layer.KeyValueCache;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.Norm;
import org.chorale.model.layer.PackedDocuments;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.layer.Rotary;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.layer.Units;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.Uploads;
import org.jspecify.annotations.Nullable;

/**
 * A decoder-only language model: embedding, blocks, norm, head.
 *
 * <p>B batch, T tokens, R = B·T rows, D model width, V vocabulary. The hidden states that leave the last norm and the
 * logits are separate steps, so that the head runs only on rows whose logits somebody reads.
 */
public final class Decoder implements AutoCloseable {
    private final DecoderConfig config;
    private final ScalarType dtype; // of the computation
    private final Device device;
    private final Embedding embedding;
    private final List<DecoderBlock> blocks = new ArrayList<>();
    private final int firstTrained; // block that the backward ends with; all are above a trained embedding
    private final Norm norm;
    private final Linear head;
    private final DecoderUnits use;
    private RecomputePlan recompute = RecomputePlan.NONE;
    private final Uploads uploads;
    private final Rotaries rotaries;

    /**
     * @param parameters by published name; their owner outlives the model
     * @param units told when the parameters of each are used
     * @param adapters which linears are adapted
     * @param fp8 which of the blocks' linears multiply FP8 factors
     */
    public Decoder(
            DecoderConfig config,
            Function<String, Parameter> parameters,
            Units units,
            Adapters adapters,
            Fp8Linears fp8) {
        this.config = config;
        Parameter table = parameters.apply(config.embeddingWeight());
        this.dtype = table.type();
        this.device = table.device();
        this.embedding = new Embedding(table, config.embeddingScale());
        this.rotaries = new Rotaries(config.ropes(), dtype, device);
        Layers layers = new Layers(parameters, adapters, fp8, config.ropes());
        config.blocks().forEach(block -> blocks.add(new DecoderBlock(block, layers)));
        this.firstTrained = firstTrained();
        this.norm = layers.existing(config.norm());
        this.head = new Linear(
                parameters.apply(config.tied() ? config.embeddingWeight() : config.headWeight()),
                null,
                adapters.of(config.head()));
        this.use = new DecoderUnits(units, config, firstTrained, embedding.trainable());
        this.uploads = new Uploads(device);
    }

    private int firstTrained() {
        return embedding.trainable()
                ? 0
                : (int) blocks.stream().takeWhile(block -> !block.trainable()).count();
    }

    /** What the blocks do from the next forward on; nothing where this is never called. Its backward must have ended. */
    public void recompute(RecomputePlan plan) {
        recompute = plan;
    }

    /** What its forward and backward take. */
    public DecoderMemory memory() {
        return new DecoderMemory(
                config,
                dtype,
                firstTrained,
                blocks.stream().map(DecoderBlock::savedForAdapters).toList());
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
            return new SequenceContext(sequences, tokens, rotaries.of(0, tokens), mask).keptBy(scope);
        }
    }

    /**
     * As {@link #context}, for sequences that several documents share: each token sees its own document only.
     *
     * @param positions B·T, of each token in its document, from 0
     * @param documents B·T, the document's number in its sequence; below 0 for padding, whose hidden states mean
     *     nothing
     */
    public SequenceContext packedContext(long sequences, long tokens, long[] positions, long[] documents) {
        long furthest = LongStream.of(positions).max().orElse(0);
        try (TensorScope scope = new TensorScope()) {
            Tensor places = device.ofLongs(positions, positions.length);
            PackedDocuments packed = PackedDocuments.of(device, tokens, documents);
            List<Rotary> turns = rotaries.at(places, sequences, tokens, furthest);
            return new SequenceContext(sequences, tokens, turns, null, packed, null, null).keptBy(scope);
        }
    }

    /** Sends numbers of a batch to where this computes, beside what it computes for the batch before. */
    @MustBeClosed
    public Uploads.Sent send(long[]... columns) {
        return uploads.send(columns);
    }

    /**
     * Runs forward. The head can be used after it, until a {@link #backward} or {@link #endForward}, one of which
     * follows.
     *
     * @param tokens [R] int64
     * @return hidden states after the last norm, [R, D]
     */
    public Tensor forward(Tensor tokens, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope();
                Tape rows = new Tape()) { // from block to block
            tape.push(tokens);
            rows.push(embed(tokens));
            for (int layer = 0; layer < blocks.size(); layer++) {
                use.openBlock(layer);
                try (TensorScope ofBlock = new TensorScope()) {
                    DecoderBlock block = blocks.get(layer);
                    Tensor x = rows.pop();
                    rows.push(
                            layer < firstTrained
                                    ? block.forwardAlone(x, context)
                                    : block.forward(x, context, recompute.of(layer), tape));
                }
                use.closeBlock(layer);
            }
            use.openHead();
            return scope.keep(norm.forward(rows.pop(), tape));
        }
    }

    /** After a forward, or {@link #extend}, and whatever needed its logits, where no backward follows. */
    public void endForward() {
        use.closeHead();
    }

    /** A forward of a rank that has no rows: it only takes part in what all ranks do together. */
    public void forwardWithoutRows() {
        use.passForward();
    }

    /** Likewise a backward, after a forward without rows, or with rows whose hidden states have no gradient. */
    public void backwardWithoutRows() {
        use.passBackward();
    }

    /**
     * Adds to the gradients of everything but the head, from the end down to the lowest thing that is trained.
     *
     * @param dHidden [R, D]
     */
    public void backward(Tensor dHidden, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope();
                Tape gradient = new Tape()) { // from block to block
            use.openHeadForBackward();
            gradient.push(norm.backward(dHidden, tape));
            use.closeHeadAfterBackward();
            for (int layer = blocks.size() - 1; layer >= firstTrained; layer--) {
                use.openBlockForBackward(layer);
                try (TensorScope ofBlock = new TensorScope()) {
                    gradient.push(blocks.get(layer).backward(gradient.pop(), context, recompute.of(layer), tape));
                }
                use.closeBlockAfterBackward(layer);
            }
            use.openEmbeddingForBackward();
            embedding.backward(gradient.pop(), tape.pop());
            use.closeEmbeddingAfterBackward();
        }
    }

    /**
     * The next tokens of one sequence, which see all that the cache holds; nothing is kept for a backward. The head can
     * be used after it, until {@link #endForward}, which follows.
     *
     * @param tokens [t] int64
     * @param cache of {@link #newCache}, added to
     * @return hidden states after the last norm, [t, D]
     */
    public Tensor extend(Tensor tokens, KeyValueCache cache) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            long added = tokens.size(0);
            SequenceContext context = new SequenceContext(1, added, rotaries.of(cache.tokens(), added), null);
            Tensor x = embed(tokens);
            for (int layer = 0; layer < blocks.size(); layer++) {
                use.openBlock(layer);
                x = blocks.get(layer).extend(x, context, cache.layer(layer));
                use.closeBlock(layer);
            }
            use.openHead();
            return scope.keep(norm.forward(x, dropped));
        }
    }

    /** An empty cache for one sequence. */
    public KeyValueCache newCache() {
        return new KeyValueCache(blocks.size());
    }

    /** [rows, D] → logits [rows, V], where no backward follows */
    public Tensor logits(Tensor hidden) {
        try (Tape dropped = new Tape()) {
            return logits(hidden, dropped);
        }
    }

    /** [rows, D] → logits [rows, V] */
    public Tensor logits(Tensor hidden, Tape tape) {
        Tensor logits = head.forward(hidden);
        return config.logitCap() == 0 ? logits : capped(logits, tape);
    }

    private Tensor capped(Tensor logits, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor shares = logits.div(Scalars.of(config.logitCap())).tanh_();
            tape.push(shares);
            return scope.keep(shares.mul(Scalars.of(config.logitCap())));
        }
    }

    /**
     * Adds to the head's gradient.
     *
     * @param tape of {@link #logits(Tensor, Tape)} of the same rows
     * @return the gradient of the hidden states, [rows, D]
     */
    public Tensor logitsBackward(Tensor dLogits, Tensor hidden, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            use.openHeadForBackward();
            Tensor uncapped = dLogits;
            if (config.logitCap() != 0) {
                Tensor shares = tape.pop();
                uncapped = dLogits.mul(shares.square_().neg_().add_(Scalars.of(1)));
            }
            return scope.keep(head.backward(uncapped, hidden));
        }
    }

    /** That computes, and where tokens, masks and gradients must be. */
    public Device device() {
        return device;
    }

    /** What it computes. */
    public DecoderConfig config() {
        return config;
    }

    /** D. */
    public long width() {
        return config.width();
    }

    /** V. */
    public long vocabulary() {
        return config.vocabulary();
    }

    @Override
    public void close() {
        rotaries.close();
        uploads.close();
    }

    private Tensor embed(Tensor tokens) {
        use.openEmbedding();
        Tensor x = embedding.forward(tokens);
        use.closeEmbedding();
        return x;
    }

    /**
     * 0 where a query may see a key, the smallest fp32 elsewhere: a query that sees nothing then attends evenly, as in
     * the reference, instead of turning into NaN. [B, 1, T, T]
     */
    private Tensor causalMask(long tokens, Tensor keyMask) {
        try (TensorScope scope = new TensorScope()) {
            Tensor later = device.zeros(ScalarType.Float, tokens, tokens)
                    .add_(Scalars.of(1))
                    .triu(1)
                    .to(ScalarType.Bool); // [T, T]
            Tensor padding = keyMask.eq(Scalars.of(0)).unsqueeze(1).unsqueeze(1); // [B, 1, 1, T]
            Tensor hidden = later.logical_or(padding); // [B, 1, T, T]
            return scope.keep(hidden.to(ScalarType.Float).masked_fill_(hidden, Scalars.of(-Float.MAX_VALUE)));
        }
    }
}
