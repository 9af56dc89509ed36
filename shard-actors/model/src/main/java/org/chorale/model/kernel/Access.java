// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.kernel.ElementType;

/**
 * How a kernel reads and writes rows: by 16 bytes where all of them lie so, and else element by element.
 *
 * @param lanes elements of one access
 */
record Access(ElementType element, int lanes) {
    private static final long BYTES = 16;

    /**
     * The widest that these tensors allow, all of which have the same element type and side by side the elements of
     * their last dimension.
     *
     * @param width elements that are accessed from the start of each row
     */
    static Access of(long width, Tensor... tensors) {
        ElementType element = ElementType.of(tensors[0]).orElseThrow();
        boolean wide = width % element.lanes() == 0;
        for (Tensor tensor : tensors) {
            if (!ElementType.of(tensor).equals(Optional.of(element))) {
                throw new IllegalArgumentException("a kernel of %s elements was given %s"
                        .formatted(element.word(), tensor.scalar_type().intern()));
            }
            wide &= liesWide(tensor, element.lanes());
        }
        return new Access(element, wide ? element.lanes() : 1);
    }

    /** The macros by which a source is told. */
    Map<String, String> macros() {
        return Map.of("SCALAR", element.word(), "LANES", String.valueOf(lanes));
    }

    private static boolean liesWide(Tensor tensor, int lanes) {
        if (tensor.data_ptr().address() % BYTES != 0) {
            return false;
        }
        for (long dimension = tensor.dim() - 2; dimension >= 0; dimension--) {
            if (tensor.stride(dimension) % lanes != 0 && tensor.size(dimension) > 1) {
                return false;
            }
        }
        return true;
    }
}
