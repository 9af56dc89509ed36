// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.device.Device;

/**
 * The documents of a micro-batch of packed sequences, as the kernels take them: one by one, or all at once by where each
 * begins in the rows.
 *
 * @param spans the documents in the order of the rows; padding is in none
 * @param runs how many pieces the rows fall into: the documents, and each run of padding, which sees itself alone, so
 *     that a kernel for all rows leaves none of its results unwritten
 * @param longestRun in tokens
 * @param offsets [runs + 1] int32, where each run begins and the last one ends; on the device of the computation
 */
public record PackedDocuments(List<DocumentSpan> spans, int runs, long longestRun, Tensor offsets) {
    /**
     * Made once for a micro-batch; the offsets belong to the innermost open scope.
     *
     * @param device of the computation
     * @param tokens T, of each sequence
     * @param documents B·T, the document's number in its sequence; below 0 for padding
     */
    public static PackedDocuments of(Device device, long tokens, long[] documents) {
        int[] bounds = DocumentSpan.bounds(tokens, documents);
        int runs = bounds.length - 1;
        int longest = IntStream.range(0, runs)
                .map(run -> bounds[run + 1] - bounds[run])
                .max()
                .orElseThrow(() -> new IllegalArgumentException("packed sequences without a row"));
        return new PackedDocuments(
                DocumentSpan.of(tokens, documents), runs, longest, device.ofInts(bounds, bounds.length));
    }
}
