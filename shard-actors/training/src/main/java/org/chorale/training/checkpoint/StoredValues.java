// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.StagedCopy;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;

/**
 * The weights of one parameter, or its optimizer state of one kind, over all files of a checkpoint.
 *
 * @param pieces every element once, in row-major order
 */
record StoredValues(List<Long> shape, StoredType dtype, List<Piece> pieces) {
    StoredValues {
        pieces = List.copyOf(pieces);
    }

    /** A box in an open file: the elements [from, until). */
    record Piece(SafetensorsFile file, StoredBox box, long from, long until) {
        Piece(SafetensorsFile file, StoredBox box) {
            this(file, box, box.from(), box.until());
        }
    }

    /**
     * Copies the elements [from, until), and reads nothing else of the files.
     *
     * @param target [until - from], written
     */
    void copyInto(long from, long until, Tensor target) {
        for (Piece piece : pieces) {
            long first = Math.max(from, piece.from());
            long last = Math.min(until, piece.until());
            if (first < last) {
                try (TensorScope scope = new TensorScope()) {
                    Tensor there = piece.file().range(piece.box().key(), first - piece.from(), last - piece.from());
                    StagedCopy.copy(there, target.narrow(0, first - from, last - first));
                }
            }
        }
    }

    /** In the parameter's shape and in the open scope: a view of the file where one box is the whole, else a copy. */
    Tensor tensor() {
        Piece first = pieces.get(0);
        if (pieces.size() == 1) {
            return first.file().tensor(first.box().key());
        }
        long elements = first.box().wholeElements();
        Tensor flat = HostTensors.empty(dtype.scalarType().orElseThrow(), elements);
        copyInto(0, elements, flat);
        return flat.view(shape.stream().mapToLong(Long::longValue).toArray());
    }
}
