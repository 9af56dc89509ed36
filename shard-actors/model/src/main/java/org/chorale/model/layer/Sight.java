// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.SeenKeys;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * Which of the keys a query sees.
 *
 * <p>B batch, T queries, S keys; the queries are the last T of the S tokens.
 *
 * @param causal whether no query sees a later key
 * @param window keys that a query sees at most, itself and those right before it; {@link #EVERYTHING} for all of them
 * @param mask [B or 1, 1, T, S], added to the scores in the place of {@code causal}
 * @param documents where sequences are packed: causal in each document; B·T rows are queries and keys then
 * @param scores what the masks are added to
 */
record Sight(
        boolean causal,
        long window,
        @Nullable Tensor mask,
        @Nullable PackedDocuments documents,
        Scores scores) {
    static final long EVERYTHING = Long.MAX_VALUE;

    /** Plain scores. */
    Sight(boolean causal, long window, @Nullable Tensor mask, @Nullable PackedDocuments documents) {
        this(causal, window, mask, documents, Scores.PLAIN);
    }

    /** What a forward pass says, in a layer that looks so far back. */
    static Sight of(SequenceContext context, long window, Scores scores) {
        return new Sight(context.mask() == null, window, context.mask(), context.documents(), scores);
    }

    /** Within one of the documents. */
    Sight inDocument() {
        return new Sight(true, window, null, null, scores);
    }

    boolean limited() {
        return window != EVERYTHING;
    }

    /** What is added to the scores beside {@code causal}, [B or 1, 1, T, S]; it is causal where the window is limited. */
    @Nullable
    Tensor additive(Tensor q, Tensor k) {
        if (!limited()) {
            return mask;
        }
        Tensor band = band(q, k);
        return mask == null ? band : torch.minimum(mask, band);
    }

    /** Whether no query sees a later key. */
    boolean ordered() {
        return causal || limited();
    }

    /**
     * Whether keys that the order hides from a query may be left out. Not under a mask: a query that sees nothing sees
     * everything alike then, as in Transformers.
     */
    boolean leavesOut() {
        return ordered() && mask == null;
    }

    /** How many of so many keys a query has at most, up to its own; all of them where none is left out. */
    long reach(long keys) {
        if (!leavesOut()) {
            return keys;
        }
        long longest = documents == null ? keys : documents.longestRun();
        return Math.min(longest, window);
    }

    /** The first key that any query sees from this one on, or an earlier one; packed sequences count as one. */
    long firstSeen(long query, long queries, long keys) {
        if (!leavesOut()) {
            return 0;
        }
        long own = query + keys - queries;
        long inDocument = documents == null ? 0 : documents.beginAtLeast(own);
        return Math.max(inDocument, own + 1 - reach(keys));
    }

    /** 0 for the keys from the query itself back to the window's end, [1, 1, T, S]. */
    private Tensor band(Tensor q, Tensor k) {
        try (TensorScope scope = new TensorScope()) {
            long queries = q.size(1);
            long keys = k.size(1);
            Tensor seen = Device.of(q).empty(ScalarType.Bool, queries, keys).fill_(Scalars.of(1));
            seen.tril_(keys - queries);
            if (limited()) {
                seen.triu_(keys - queries - window + 1);
            }
            Tensor hidden = seen.logical_not();
            return scope.keep(hidden.to(ScalarType.Float)
                    .masked_fill_(hidden, Scalars.of(SeenKeys.HIDDEN))
                    .view(1, 1, queries, keys));
        }
    }
}
