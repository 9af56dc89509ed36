// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.LongBuffer;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.jspecify.annotations.Nullable;

/**
 * A decoder in a pipeline: {@code batch} [B, T] int64 in, {@code logits} [B, T, V] and {@code hidden} [B, T, D] out. Where
 * the inputs have {@code documents} and {@code positions}, tokens see their own document only; where they have an
 * {@code attention_mask} [B, T] instead, nobody sees the tokens at which it is 0.
 */
public final class DecoderPipelineModel implements PipelineModel {
    private static final String ATTENTION_MASK = "attention_mask";

    private final Decoder model;

    public DecoderPipelineModel(Decoder model) {
        this.model = model;
    }

    @Override
    @SuppressWarnings("MustBeClosedChecker") // the pass owns the tapes
    public Pass forward(NamedTensors inputs, Context context) {
        Tape tape = new Tape();
        Tape ofLogits = new Tape();
        try (TensorScope scope = new TensorScope()) {
            Tensor batch = inputs.get(NamedTensors.BATCH);
            long sequences = batch.size(0);
            long tokens = batch.size(1);
            SequenceContext shared =
                    sequences(inputs, sequences, tokens, context).keptBy(scope);
            Tensor hidden = model.forward(batch.reshape(-1), shared, tape); // [R, D]
            Tensor logits = model.logits(hidden, ofLogits); // [R, V]
            NamedTensors outputs = NamedTensors.of(NamedTensors.LOGITS, scope.keep(logits.view(sequences, tokens, -1)))
                    .with(NamedTensors.HIDDEN, scope.keep(hidden.view(sequences, tokens, -1)));
            return new DecoderPass(outputs, scope.keep(hidden), shared, tape, ofLogits);
        } catch (RuntimeException | Error e) {
            tape.close();
            ofLogits.close();
            throw e;
        }
    }

    @Override
    public Pass forwardWithoutRows() {
        model.forwardWithoutRows();
        return new Pass() {
            private boolean forwardOnly = true;

            @Override
            public NamedTensors outputs() {
                return NamedTensors.empty();
            }

            @Override
            public void backward(Map<String, Tensor> gradients) {
                forwardOnly = false;
                model.backwardWithoutRows();
            }

            @Override
            public void close() {
                if (forwardOnly) {
                    model.endForward();
                }
            }
        };
    }

    private SequenceContext sequences(NamedTensors inputs, long sequences, long tokens, Context context) {
        Optional<Tensor> documents = inputs.find(NamedTensors.DOCUMENTS);
        SequenceContext shared = documents.isPresent()
                ? model.packedContext(
                        sequences, tokens, longs(inputs.get(NamedTensors.POSITIONS)), longs(documents.get()))
                : model.context(sequences, tokens, inputs.find(ATTENTION_MASK).orElse(null));
        Context.Place place = context.place();
        boolean training = place.step() > 0;
        return training
                ? shared.withDropout(DropoutKeys.of(place.seed(), place.step(), place.samples(), (int) tokens))
                : shared;
    }

    private static long[] longs(Tensor tensor) {
        long[] values = new long[(int) tensor.numel()];
        tensor.cpu().contiguous().<LongBuffer>createBuffer().get(values);
        return values;
    }

    private final class DecoderPass implements Pass {
        private final NamedTensors outputs;
        private final Tensor hidden; // [R, D]
        private final SequenceContext shared;
        private final Tape tape;
        private final Tape ofLogits;
        private boolean forwardOnly = true;

        DecoderPass(NamedTensors outputs, Tensor hidden, SequenceContext shared, Tape tape, Tape ofLogits) {
            this.outputs = outputs;
            this.hidden = hidden;
            this.shared = shared;
            this.tape = tape;
            this.ofLogits = ofLogits;
        }

        @Override
        public NamedTensors outputs() {
            return outputs;
        }

        @Override
        public void backward(Map<String, Tensor> gradients) {
            forwardOnly = false;
            try (TensorScope scope = new TensorScope()) {
                Tensor dLogits = gradients.get(NamedTensors.LOGITS);
                Tensor dHidden = sum(
                        dLogits == null ? null : model.logitsBackward(rows(dLogits), hidden, ofLogits),
                        gradients.containsKey(NamedTensors.HIDDEN) ? rows(gradients.get(NamedTensors.HIDDEN)) : null);
                if (dHidden == null) {
                    model.backwardWithoutRows();
                } else {
                    model.backward(dHidden, shared, tape);
                }
            }
        }

        @Override
        public void close() {
            tape.close();
            ofLogits.close();
            if (forwardOnly) {
                model.endForward();
            }
        }
    }

    /** [B, T, …] → [R, …] */
    private static Tensor rows(Tensor gradient) {
        return gradient.reshape(gradient.size(0) * gradient.size(1), gradient.size(2));
    }

    private static @Nullable Tensor sum(@Nullable Tensor a, @Nullable Tensor b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return torch.add(a, b);
    }
}
