// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.jspecify.annotations.Nullable;

/**
 * Bytes that a decoder's forward and backward take beside parameters and their gradients, by formula.
 *
 * <p>R rows, D model width, F inner width, N query heads, K key-value heads, H head width. What a forward keeps is exact:
 * it is what lies on the tape. (Where adapters of different ranks are on the experts of a mixture, it is the most.
 * Attention in fp32 over packed sequences, on GPUs, keeps a log-sum-exp for the longest document in the place of each,
 * which is not counted; attention with a mask, or in fp32 with a window, keeps none there.) What is taken in between is
 * estimated from above.
 */
public final class DecoderMemory {
    /** Bytes that others take at a time and not at another: whoever gathers parameters, and keeps gradients. */
    public interface Beside {
        Beside NOTHING = new Beside() {
            @Override
            public long atLoss() {
                return 0;
            }

            @Override
            public long inBackward(String unit) {
                return 0;
            }
        };

        /** While everything is kept. */
        long atLoss();

        /** Until the backward of a unit has ended. */
        long inBackward(String unit);
    }

    private static final long TOKEN_BYTES = Long.BYTES;

    /** Of the embedding's backward: the gradient of what it gave, and that in fp32. */
    private static final long EMBEDDED_ROWS = 3;

    private final DecoderConfig config;
    private final ScalarType type;
    private final int firstTrained; // block
    private final List<Long> savedForAdapters;
    private final long narrow; // bytes of a number
    private final long wide; // bytes of one that is summed in fp32 at least

    /**
     * Of a model.
     *
     * @param type of the computation
     * @param firstTrained block that the backward ends with; those below keep nothing
     * @param savedForAdapters numbers of a row, block by block
     */
    DecoderMemory(DecoderConfig config, ScalarType type, int firstTrained, List<Long> savedForAdapters) {
        this.savedForAdapters = savedForAdapters;
        this.config = config;
        this.type = type;
        this.firstTrained = firstTrained;
        this.narrow = switch (type) {
            case BFloat16, Half -> 2;
            case Double -> Double.BYTES;
            default -> Float.BYTES;
        };
        this.wide = Math.max(narrow, Float.BYTES);
    }

    /** Of a row between two blocks. */
    public long rowBytes() {
        return narrow * config.width();
    }

    /** Of a row of logits. */
    public long logitsBytes() {
        return narrow * config.vocabulary();
    }

    /** What lies on the tape between a forward and its backward. */
    public long keptBytes(RecomputePlan plan, long rows) {
        return rows
                        * (besideBlocks()
                                + trainedBlocks()
                                        .mapToLong(block -> kept(block, plan.of(block)))
                                        .sum())
                + trainedBlocks()
                        .filter(block -> plan.of(block) == Recompute.NONE)
                        .mapToLong(block -> config.blocks().get(block).inner().keptOnceBytes())
                        .sum();
    }

    /**
     * The most that a forward, the loss and a backward take at once. The backward begins where the most is kept; in each
     * block it needs room for what it computes again, and to compute in.
     *
     * @param lossBytes that the loss takes while everything is kept
     * @param beside what others take meanwhile
     */
    public long peakBytes(RecomputePlan plan, long rows, long lossBytes, Beside beside) {
        long kept = keptBytes(plan, rows);
        long peak = kept + lossBytes + beside.atLoss();
        for (int block = config.layers() - 1; block >= firstTrained; block--) {
            long own = kept(block, plan.of(block));
            long others = scores(block, rows)
                    + config.blocks().get(block).inner().backwardOnceBytes(narrow)
                    + beside.inBackward(config.blocks().get(block).name());
            peak = Math.max(peak, kept + rows * (kept(block, Recompute.NONE) - own + backward(block)) + others);
            kept -= rows * own;
        }
        return Math.max(peak, kept + rows * EMBEDDED_ROWS * rowBytes() + beside.inBackward(DecoderConfig.ROOT_UNIT));
    }

    /**
     * The cheapest plan of those that fit, within the price of a block. Most memory for its price comes of letting blocks
     * recompute selectively, one by one from the bottom; when all do, of letting them recompute everything. The block at
     * the top has room for all that it keeps whatever it does, since it would have to compute it again at once: it changes
     * last, and only because the loss comes before. Empty where nothing fits.
     *
     * @param rows of the largest micro-batch
     * @param tokens of a sequence
     * @param lossBytes that the loss takes while everything is kept
     * @param beside what others take meanwhile
     * @param budgetBytes that {@link #peakBytes} may take
     */
    public Optional<RecomputePlan> cheapest(long rows, long tokens, long lossBytes, Beside beside, long budgetBytes) {
        int layers = config.layers();
        Stream<RecomputePlan> selective =
                IntStream.rangeClosed(firstTrained, layers).mapToObj(until -> new RecomputePlan(0, until));
        Stream<RecomputePlan> full = IntStream.range(firstTrained, layers)
                .boxed()
                .flatMap(until -> Stream.of(
                        new RecomputePlan(until, Math.max(until, layers - 1)), new RecomputePlan(until + 1, layers)));
        return Stream.concat(selective, full)
                .sorted(Comparator.comparingLong(plan -> price(plan, tokens)))
                .filter(plan -> peakBytes(plan, rows, lossBytes, beside) <= budgetBytes)
                .findFirst();
    }

    /** Operations that are repeated for a row. Those of attention count twice: it runs at half of a product's speed. */
    long price(RecomputePlan plan, long tokens) {
        return trainedBlocks()
                .mapToLong(block -> switch (plan.of(block)) {
                    case NONE -> 0;
                    case SELECTIVE -> products(config.blocks().get(block));
                    case FULL ->
                        products(config.blocks().get(block))
                                + 2 * attention(config.blocks().get(block), tokens);
                })
                .sum();
    }

    /** All but that of down, whose result nobody reads twice. */
    private static long products(BlockConfig block) {
        AttentionConfig attention = block.attention();
        long ofAttention = Stream.concat(attention.inputs().stream(), Stream.of(attention.output()))
                .mapToLong(linear -> linear.inputs() * linear.outputs())
                .sum();
        FeedForwardConfig inner = block.inner();
        return 2 * (ofAttention + (block.afterInner() == null ? inner.repeatedWeights() : inner.activeWeights()));
    }

    /** Causal: half of the keys, on average. */
    private static long attention(BlockConfig block, long tokens) {
        return 2 * tokens * block.attention().queryWidth();
    }

    /** A plan in words: what the blocks that are trained recompute, and how many of them where they differ. */
    public String words(RecomputePlan plan) {
        Map<Recompute, Long> blocks = trainedBlocks()
                .mapToObj(plan::of)
                .collect(Collectors.groupingBy(Function.identity(), TreeMap::new, Collectors.counting()));
        return blocks.size() == 1
                ? word(blocks.keySet().iterator().next())
                : blocks.entrySet().stream()
                        .map(entry -> word(entry.getKey()) + " in " + entry.getValue())
                        .collect(Collectors.joining(", "));
    }

    private static String word(Recompute recompute) {
        return recompute.name().toLowerCase(Locale.ROOT);
    }

    private IntStream trainedBlocks() {
        return IntStream.range(firstTrained, config.layers());
    }

    /** That a block keeps of a row. */
    private long kept(int number, Recompute recompute) {
        BlockConfig block = config.blocks().get(number);
        AttentionConfig attention = block.attention();
        long input = rowBytes();
        long logSumExp = attention.scores().capped() ? 0 : wide * attention.heads();
        long attended = narrow * attention.queryWidth() + logSumExp;
        long projected = narrow * (attention.queryWidth() + 2 * attention.keyWidth()) // q, k, v
                + ofHeadNorm(attention.queryNorm(), attention.queryWidth())
                + ofHeadNorm(attention.keyNorm(), attention.keyWidth())
                + block.inner().keptBytes(narrow, wide);
        long rows = ofNorm(block.beforeAttention())
                + ofNorm(block.afterAttention())
                + (block.parallel() ? 0 : rowBytes()) // h
                + ofNorm(block.beforeInner())
                + ofNorm(block.afterInner());
        long adapted = narrow * savedForAdapters.get(number);
        return switch (recompute) {
            case NONE -> input + attended + projected + rows + adapted;
            case SELECTIVE -> input + attended;
            case FULL -> input;
        };
    }

    /** What it gives, or what it was given, and what it found of the rows. */
    private long ofNorm(@Nullable NormConfig norm) {
        return norm == null ? 0 : rowBytes() + wide * norm.statistics();
    }

    /** What it was given, and what it found of each head or of all. */
    private long ofHeadNorm(@Nullable NormConfig norm, long width) {
        return norm == null ? 0 : narrow * width + wide * norm.statistics() * (width / norm.width());
    }

    /** The tokens, and what the last norm keeps. */
    private long besideBlocks() {
        return TOKEN_BYTES + rowBytes() + wide * config.norm().statistics();
    }

    /**
     * That the backward of a block takes of a row beside what it reads. In the feed-forward network: what
     * {@link FeedForwardConfig#backwardBytes} says, and four of the width. In attention: the gradients of q, k and v twice,
     * those of k and v for each query head, that of q in fp32, and four of the width; what the feed-forward network kept has
     * been given back by then. Adapters take twice what they have saved: where lengths are trained that is as much as the
     * outputs, whose gradients are scaled and multiplied. Attention by blocks of scores has operands once more in the place
     * of keys for each query head, and sums the gradients of k and v in fp32 instead of that of q.
     */
    private long backward(int number) {
        BlockConfig block = config.blocks().get(number);
        long heads = block.attention().queryWidth();
        long keys = block.attention().keyWidth();
        long feedForward = block.inner().backwardBytes(narrow, wide, config.width());
        long attention = narrow * (2 * (heads + 2 * keys) + 3 * heads)
                + Math.max(Float.BYTES * heads, 2 * wide * keys)
                - block.inner().keptBytes(narrow, wide);
        long adapters = 2 * narrow * savedForAdapters.get(number);
        return Math.max(feedForward, attention) + 4 * rowBytes() + adapters;
    }

    /** The blocks of scores that its backward holds at once, whatever the rows. */
    private long scores(int number, long rows) {
        AttentionConfig attention = config.blocks().get(number).attention();
        return attention.flash().scoreBytes(type, attention.heads(), attention.headWidth(), rows);
    }
}
