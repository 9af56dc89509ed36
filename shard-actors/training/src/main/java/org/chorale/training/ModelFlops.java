// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import org.chorale.model.decoder.BlockConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig.Dense;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.training.MicroBatch.Packing;

/**
 * The floating-point operations that training needs, however it is computed: what is recomputed does not count, and neither
 * does padding, as in PaLM's model FLOPs utilisation (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
 *
 * <pre>
 * per token of a document of T tokens  =  6 P + 4 Q + 6 L N H T
 *
 * P  weights of matrix products that are trained: 2 operations in the forward pass, 2 for the input's gradient, 2 for
 *    the weight's
 * Q  those that are frozen: no gradient of the weight
 * L  layers, N query heads of width H: the two products of attention are 4 N H T in the forward pass and twice that in
 *    the backward; half of it, since a token sees only those before it,
 *    and less where its window is shorter
 * </pre>
 *
 * <p>Of a mixture's experts those that a token is sent to count. The embedding is looked up, which is no product, unless
 * it is the head too. PaLM's own formula has 12 L N H T: it does not halve attention. Norms, activations, loss and
 * optimizer do not count.
 *
 * @param products 6 P + 4 Q: of a token, wherever it stands
 * @param attention 6 L N H, of the L layers with a window of so many tokens
 */
public record ModelFlops(double products, Map<Long, Double> attention) {
    /** The window of layers that see all that went before. */
    static final long EVERYTHING = Long.MAX_VALUE;

    private static final int TRAINED = 6;
    private static final int FROZEN = 4;
    private static final int FORWARD = 2;

    /** Of a decoder with these parameters. */
    public static ModelFlops of(DecoderConfig config, List<UnitOutline> units) {
        return new ModelFlops(
                products(config, units, parameter -> parameter.trainable() ? TRAINED : FROZEN),
                attention(config, TRAINED));
    }

    /** Likewise, of a forward pass alone. */
    public static ModelFlops ofForward(DecoderConfig config, List<UnitOutline> units) {
        return new ModelFlops(products(config, units, parameter -> FORWARD), attention(config, FORWARD));
    }

    private static double products(
            DecoderConfig config, List<UnitOutline> units, ToIntFunction<ParameterOutline> operations) {
        Map<String, Double> shares = expertShares(config);
        return units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(parameter -> isMatrix(parameter, config))
                .mapToDouble(parameter -> (double) parameter.elements()
                        * operations.applyAsInt(parameter)
                        * shares.getOrDefault(module(parameter.name()), 1.0))
                .sum();
    }

    private static Map<Long, Double> attention(DecoderConfig config, double operations) {
        Map<Long, Double> attention = new TreeMap<>();
        for (BlockConfig block : config.blocks()) {
            Long window = block.attention().window();
            attention.merge(
                    window == null ? EVERYTHING : window,
                    operations * block.attention().queryWidth(),
                    Double::sum);
        }
        return attention;
    }

    /** How many of the rows go through each linear of an expert, on average, by its name. */
    private static Map<String, Double> expertShares(DecoderConfig config) {
        Map<String, Double> shares = new HashMap<>();
        config.mixtures()
                .forEach(mixture -> mixture.experts().stream()
                        .flatMap(Dense::linears)
                        .forEach(linear -> shares.put(linear.module(), mixture.share())));
        return shares;
    }

    /** Of a linear's weight, or of its adapter's. */
    private static String module(String parameter) {
        return parameter.replaceFirst("(\\.lora_[AB])?\\.[^.]+$", "");
    }

    /** Of one token of a document of so many, forward and backward. */
    public double perToken(long tokens) {
        return products
                + attention.entrySet().stream()
                        .mapToDouble(layers -> layers.getValue() * 2 * meanSeen(layers.getKey(), tokens))
                        .sum();
    }

    /** Tokens that one sees of a document, on average: half of it, less where a window is shorter. */
    private static double meanSeen(long window, long tokens) {
        double most = Math.min(window, tokens);
        return most - most * most / (2.0 * tokens);
    }

    /** Of all documents of a micro-batch, each a sequence of its own unless they are packed. */
    public double of(MicroBatch batch) {
        Packing packing = batch.packing();
        if (packing == null) {
            return Arrays.stream(batch.lengths()).mapToDouble(this::ofDocument).sum();
        }
        double flops = 0;
        long[] documents = packing.documents();
        int begin = 0;
        for (int end = 1; end <= documents.length; end++) {
            boolean ends = end == documents.length || end % batch.width() == 0 || documents[end] != documents[begin];
            if (ends) {
                flops += documents[begin] < 0 ? 0 : ofDocument(end - begin); // below 0 is padding
                begin = end;
            }
        }
        return flops;
    }

    double ofDocument(long tokens) {
        return tokens * perToken(tokens);
    }

    private static boolean isMatrix(ParameterOutline parameter, DecoderConfig config) {
        return parameter.shape().size() == 2
                && (config.tied() || !parameter.name().equals(config.embeddingWeight()));
    }
}
