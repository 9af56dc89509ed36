// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
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
    private static final boolean IN_INTS = true;
    private static final boolean END_IS_BEHIND = true;

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

    /** A row that no document of this row begins before, found on the host. */
    long beginAtLeast(long row) {
        int at = Collections.binarySearch(
                spans, new DocumentSpan(row, 1, 1), Comparator.comparingLong(DocumentSpan::row));
        if (at == -1) {
            return 0;
        }
        DocumentSpan span = spans.get(at < 0 ? -at - 2 : at);
        long behind = Math.min(row - span.row(), span.rows());
        return span.row() + behind - behind % span.tokens();
    }

    /**
     * Where the run begins that holds each row, found on the device.
     *
     * @param rows [n] int32
     * @return [n] int32
     */
    Tensor begins(Tensor rows) {
        try (TensorScope scope = new TensorScope()) {
            Tensor ends = offsets.narrow(0, 1, runs);
            return scope.keep(offsets.index_select(0, torch.bucketize(rows, ends, IN_INTS, END_IS_BEHIND)));
        }
    }
}
