// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import org.chorale.model.llama.LlamaConfig;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * The floating-point operations that a step of training needs, however it is computed: what is recomputed does not
 * count, as in PaLM's model FLOPs utilisation (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
 *
 * <pre>
 * per token  =  6 P + 4 Q + 6 L N H T
 *
 * P  weights of matrix products that are trained: 2 operations in the forward pass, 2 for the input's gradient, 2 for
 *    the weight's
 * Q  those that are frozen: no gradient of the weight
 * L  layers, N query heads of width H, T tokens in a sequence: the two products of attention are 4 N H T in the forward
 *    pass and twice that in the backward; half of it, since a token sees only those before it
 * </pre>
 *
 * <p>The embedding is looked up, which is no product, unless it is the head too. PaLM's own formula has 12 L N H T: it does
 * not halve attention. Norms, activations, loss and optimizer do not count.
 */
final class ModelFlops {
    private static final int TRAINED = 6;
    private static final int FROZEN = 4;
    private static final String EMBEDDING = "model.embed_tokens.weight";

    private ModelFlops() {}

    /** Of one token in a sequence of so many, forward and backward. */
    static double perToken(LlamaConfig config, List<UnitOutline> units, long tokens) {
        double products = units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(parameter -> isMatrix(parameter, config))
                .mapToDouble(parameter -> (double) parameter.elements() * (parameter.trainable() ? TRAINED : FROZEN))
                .sum();
        return products + 6.0 * config.layers() * config.heads() * config.headWidth() * tokens;
    }

    private static boolean isMatrix(ParameterOutline parameter, LlamaConfig config) {
        return parameter.shape().size() == 2
                && (config.tied() || !parameter.name().equals(EMBEDDING));
    }
}
