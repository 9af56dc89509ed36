// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.TensorScope;

/**
 * Attention to packed sequences by a kernel that knows of no documents: it is run for each span of them.
 *
 * @param kernel whose log-sum-exp is [B, T, N]
 */
record EachDocument(AttentionKernel kernel) implements AttentionKernel {
    /** Rows outside of all documents see nothing and get zeros. */
    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        PackedDocuments documents = sight.documents();
        if (documents == null) {
            return kernel.forward(q, k, v, sight);
        }
        try (TensorScope scope = new TensorScope()) {
            Tensor mixed = scope.keep(torch.zeros_like(q));
            Tensor logSumExp = scope.keep(torch.zeros_like(Wide.of(q).select(-1, 0)));
            for (DocumentSpan span : documents.spans()) {
                try (TensorScope document = new TensorScope()) {
                    Attended part = kernel.forward(part(q, span), part(k, span), part(v, span), sight.inDocument());
                    part(mixed, span).copy_(part.mixed());
                    part(logSumExp, span).copy_(part.logSumExp());
                }
            }
            return new Attended(mixed, logSumExp);
        }
    }

    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        PackedDocuments documents = sight.documents();
        if (documents == null) {
            return kernel.backward(dMixed, q, k, v, attended, sight);
        }
        Tensor[] gradients = {torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)};
        for (DocumentSpan span : documents.spans()) {
            try (TensorScope document = new TensorScope()) {
                Attended of = new Attended(part(attended.mixed(), span), part(attended.logSumExp(), span));
                Tensor[] parts = kernel.backward(
                        part(dMixed, span), part(q, span), part(k, span), part(v, span), of, sight.inDocument());
                for (int i = 0; i < gradients.length; i++) {
                    part(gradients[i], span).copy_(parts[i]);
                }
            }
        }
        return gradients;
    }

    /** [B, T, …] → [documents, tokens, …], a view. */
    private static Tensor part(Tensor x, DocumentSpan span) {
        return x.flatten(0, 1)
                .narrow(0, span.row(), span.rows())
                .unflatten(0, new long[] {span.documents(), span.tokens()});
    }
}
