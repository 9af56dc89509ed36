// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Rotary;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/** The tables of a model's rotary embeddings: made when they are first needed, and again for longer sequences. */
final class Rotaries implements AutoCloseable {
    private static final long MIN_POSITIONS = 256;

    private final List<Table> tables;

    Rotaries(List<RopeFrequencies> ropes, ScalarType dtype, Device device) {
        this.tables = ropes.stream().map(rope -> new Table(rope, dtype, device)).toList();
    }

    /** The turns of positions that follow each other, [tokens, 1, W/2], in the open scope. */
    List<Rotary> of(long first, long tokens) {
        return tables.stream()
                .map(table -> table.upTo(first + tokens))
                .map(table -> new Rotary(
                        table.cosine().narrow(0, first, tokens), table.sine().narrow(0, first, tokens)))
                .toList();
    }

    /**
     * The turns of any positions, [B, T, 1, W/2], in the open scope.
     *
     * @param positions [B·T] int64
     * @param furthest of them
     */
    List<Rotary> at(Tensor positions, long sequences, long tokens, long furthest) {
        List<Rotary> turns = new ArrayList<>();
        for (Table table : tables) {
            Rotary all = table.upTo(furthest + 1);
            long[] shape = {sequences, tokens, 1, all.cosine().size(-1)};
            turns.add(new Rotary(
                    all.cosine().index_select(0, positions).view(shape),
                    all.sine().index_select(0, positions).view(shape)));
        }
        return turns;
    }

    @Override
    public void close() {
        tables.forEach(Table::close);
    }

    /** W components of a head are turned. */
    private static final class Table implements AutoCloseable {
        private final RopeFrequencies rope;
        private final ScalarType dtype;
        private final Device device;
        private HeldTensors owner = new HeldTensors();
        private @Nullable Rotary rotary; // [positions, 1, W/2]
        private long madeFor; // tokens, where the frequencies depend on them

        Table(RopeFrequencies rope, ScalarType dtype, Device device) {
            this.rope = rope;
            this.dtype = dtype;
            this.device = device;
        }

        Rotary upTo(long tokens) {
            Rotary known = rotary;
            long stretch = rope.stretchedFor(tokens);
            if (known == null || known.cosine().size(0) < tokens || madeFor != stretch) {
                owner.close();
                owner = new HeldTensors();
                known = make(positions(tokens), stretch);
                rotary = known;
                madeFor = stretch;
            }
            return known;
        }

        /** A power of two, so that a sequence that grows token by token does not make a table for each. */
        private static long positions(long needed) {
            return Math.max(MIN_POSITIONS, 2 * Long.highestOneBit(needed - 1));
        }

        /** Computed in fp32 and then rounded to the dtype of the computation, as in Transformers. */
        private Rotary make(long positions, long stretch) {
            try (TensorScope scope = new TensorScope()) {
                Tensor angles = torch.arange(Scalars.of((double) positions))
                        .to(ScalarType.Float)
                        .unsqueeze(-1)
                        .mul(rope.compute(stretch))
                        .unsqueeze(1); // [positions, 1, W/2]
                return new Rotary(held(angles.cos()), held(angles.sin()));
            }
        }

        private Tensor held(Tensor table) {
            return owner.hold(
                    device.copyOf(table.mul_(Scalars.of(rope.attentionFactor())).to(dtype)));
        }

        @Override
        public void close() {
            owner.close();
        }
    }
}
