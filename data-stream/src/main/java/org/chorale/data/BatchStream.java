// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.function.Function;
import org.apache.pekko.stream.OverflowStrategy;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.data.example.Learning;
import org.chorale.data.example.MicroBatch;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.order.BatchOrder;
import org.chorale.data.order.Neighbours;
import org.chorale.data.order.StepSequences;
import org.chorale.data.source.NumberFields;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.SourceCount;
import org.chorale.proto.batch.StepBatch;
import org.jspecify.annotations.Nullable;

/**
 * The way of a batch, from a number to bytes. The order says which examples a step's number stands for and how they make
 * sequences; the examples are read, parsed, tokenized and padded or packed, one micro-batch per task, in parallel and in
 * order; and the micro-batches of a step are gathered into what a rank pulls.
 *
 * <p>Nothing is carried from one step to the next: a stream that starts after step k gives bit for bit what one from the
 * beginning gives there, whatever the parallelism and the number of ranks before.
 *
 * <p>A row that cannot be used ends the stream where its step would come, and not as soon as it is read ahead: whoever
 * needs no more than the steps before it gets all of them, and never hears of it.
 *
 * <p>A stream that nobody pulls from stops with {@code prefetchBatches} steps in its buffer, two at its edges (one
 * gathered, one with the consumer), and {@code parallelism} micro-batches begun.
 */
public final class BatchStream {
    private static final long[] NOBODY = {};

    private final int microBatch;
    private final int prefetchBatches;
    private final int sequenceTokens;
    private final boolean packing;
    private final NumberFields numbers;
    private final Learning learning;
    private final long padToken;
    private final Executor executor;
    private final int parallelism;

    /** Streams of a run whose examples are sequences by themselves. */
    public BatchStream(DataConfig config, long padToken, Executor executor, int parallelism) {
        this(config, Learning.TEXT, padToken, executor, parallelism);
    }

    /**
     * Streams of one run.
     *
     * @param learning by which an example is one sequence or two
     * @param executor reads and tokenizes
     * @param parallelism tasks that one stream gives to it at the same time
     */
    public BatchStream(DataConfig config, Learning learning, long padToken, Executor executor, int parallelism) {
        this.microBatch = config.microBatch();
        this.sequenceTokens = config.sequenceTokens();
        this.learning = learning;
        this.prefetchBatches = config.prefetchBatches();
        this.packing = config.packing();
        this.numbers = config.numberFields();
        this.padToken = padToken;
        this.executor = executor;
        this.parallelism = parallelism;
    }

    /** A rank's part of every step after {@code afterStep}, epoch after epoch, without end. */
    public Source<StepBatch, NotUsed> training(
            BatchOrder order, LongFunction<TokenizedExample> examples, long afterStep, int rank, int worldSize) {
        return training(order, examples, SourceTally.Sources.UNCOUNTED, afterStep, rank, worldSize);
    }

    /** Likewise, with what of each step is of which source. */
    Source<StepBatch, NotUsed> training(
            BatchOrder order,
            LongFunction<TokenizedExample> examples,
            SourceTally.Sources sources,
            long afterStep,
            int rank,
            int worldSize) {
        return Source.fromIterator(() ->
                        LongStream.iterate(afterStep + 1, step -> step + 1).iterator())
                .map(step ->
                        Step.training(order, step, rank, worldSize, packing, neighbours(order, step, rank, worldSize)))
                .via(batches(examples, sources));
    }

    /** A rank's part of the held-out examples in file order, a micro-batch at a time, after {@code afterBatch}. */
    public Source<StepBatch, NotUsed> evaluation(
            long count, LongFunction<TokenizedExample> examples, long afterBatch, int rank, int worldSize) {
        Evaluation evaluation = Evaluation.of(count, microBatch, rank, worldSize);
        return Source.fromIterator(() -> LongStream.rangeClosed(afterBatch + 1, evaluation.batches())
                        .iterator())
                .map(evaluation::step)
                .via(batches(examples, SourceTally.Sources.UNCOUNTED));
    }

    private Flow<Step, StepBatch, NotUsed> batches(
            LongFunction<TokenizedExample> examples, SourceTally.Sources sources) {
        return Flow.of(Step.class)
                .mapConcat(step -> step.parts(microBatch))
                .mapAsync(
                        parallelism,
                        part -> CompletableFuture.supplyAsync(() -> tokenize(part, examples, sources), executor)
                                .handle((microBatch, failure) -> new Tokenized(part, microBatch, failure)))
                .statefulMapConcat(BatchStream::gather)
                .buffer(prefetchBatches, OverflowStrategy.backpressure())
                .map(Gathered::get);
    }

    /** Of training examples, for a loss that looks at the answer of another. */
    private long[] neighbours(BatchOrder order, long step, int rank, int worldSize) {
        return learning == Learning.RATINGS ? Neighbours.of(order, step, rank, worldSize) : NOBODY;
    }

    private MicroBatch tokenize(Part part, LongFunction<TokenizedExample> examples, SourceTally.Sources sources) {
        SourceTally tally = new SourceTally(sources);
        return tokenize(part, examples, tally).withSources(tally.counts());
    }

    private MicroBatch tokenize(Part part, LongFunction<TokenizedExample> examples, SourceTally tally) {
        if (learning != Learning.TEXT) {
            return MicroBatch.preferences(preferences(part, examples, tally), padToken);
        }
        List<List<TokenizedExample>> sequences = Arrays.stream(part.sequences())
                .map(documents -> LongStream.of(documents)
                        .mapToObj(example -> tally.counted(example, examples.apply(example)))
                        .toList())
                .toList();
        if (part.step().packed()) {
            return MicroBatch.packed(sequences, padToken);
        }
        List<TokenizedExample> single = sequences.stream().flatMap(List::stream).toList();
        return numbers.areUsed() ? MicroBatch.ofNumbers(single, numbers) : MicroBatch.of(single, padToken);
    }

    private List<TokenizedExample> preferences(Part part, LongFunction<TokenizedExample> examples, SourceTally tally) {
        Map<Long, TokenizedExample> read = new HashMap<>(); // most are another's neighbour too
        LongFunction<TokenizedExample> once = example -> read.computeIfAbsent(example, examples::apply);
        return IntStream.range(0, part.sequences().length)
                .mapToObj(i -> {
                    long number = part.sequences()[i][0];
                    TokenizedExample example = once.apply(number);
                    return tally.counted(
                            number,
                            learning == Learning.PAIRS
                                    ? example
                                    : example.mismatchedWith(once.apply(part.neighbours()[i]), sequenceTokens));
                })
                .toList();
    }

    /** Collects micro-batches until a step has all of its own, or lacks one. */
    private static Function<Tokenized, Iterable<Gathered>> gather() {
        List<MicroBatch> gathered = new ArrayList<>();
        return tokenized -> {
            if (tokenized.microBatch() == null) {
                return List.of(new Gathered(null, tokenized.failure()));
            }
            gathered.add(tokenized.microBatch());
            if (!tokenized.part().endsStep()) {
                return List.of();
            }
            StepBatch batch = tokenized.part().step().batch(gathered);
            gathered.clear();
            return List.of(new Gathered(batch, null));
        };
    }

    /**
     * What a rank does in a step.
     *
     * @param sequences the rank's; none where the step has fewer than there are ranks
     * @param neighbours an example for each sequence; none where the loss looks at none
     * @param packed whether a sequence may have several examples
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Step(
            Feed feed, long index, StepSequences sequences, long[] neighbours, boolean packed, boolean last) {
        static Step training(BatchOrder order, long step, int rank, int worldSize, boolean packed, long[] neighbours) {
            return new Step(Feed.TRAIN, step, order.step(step, rank, worldSize), neighbours, packed, false);
        }

        /** The step's micro-batches, at least one, and as many on every rank: the last may be empty. */
        List<Part> parts(int microBatch) {
            long[][] all = sequences.sequences();
            int parts = sequences.most() == 0 ? 1 : (sequences.most() - 1) / microBatch + 1;
            return IntStream.range(0, parts)
                    .mapToObj(part -> new Part(
                            this,
                            Arrays.copyOfRange(all, begin(part, microBatch), begin(part + 1, microBatch)),
                            neighbours.length == 0
                                    ? NOBODY
                                    : Arrays.copyOfRange(
                                            neighbours, begin(part, microBatch), begin(part + 1, microBatch)),
                            part == parts - 1))
                    .toList();
        }

        private int begin(int part, int microBatch) {
            return (int) Math.min(sequences.sequences().length, (long) part * microBatch);
        }

        StepBatch batch(List<MicroBatch> microBatches) {
            return new StepBatch(
                    feed,
                    index,
                    sequences.epochs(),
                    sequences.examples(),
                    microBatches.stream().mapToLong(MicroBatch::tokens).sum(),
                    microBatches.stream().mapToLong(MicroBatch::tokensCut).sum(),
                    SourceCount.sum(
                            microBatches.stream().map(MicroBatch::sources).toList()),
                    microBatches.stream().map(MicroBatch::batch).toList(),
                    last);
        }
    }

    /** The sequences of one micro-batch. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Part(Step step, long[][] sequences, long[] neighbours, boolean endsStep) {}

    /** One of both: what was made of a part, or why it could not be. */
    private record Tokenized(
            Part part,
            @Nullable MicroBatch microBatch,
            @Nullable Throwable failure) {}

    /** One of both: a failure keeps its place among the batches, where Pekko's own would overtake those in a buffer. */
    private record Gathered(
            @Nullable StepBatch batch, @Nullable Throwable failure) {
        StepBatch get() {
            if (batch == null) {
                throw failure instanceof CompletionException known ? known : new CompletionException(failure);
            }
            return batch;
        }
    }

    /**
     * A rank's neighbouring part of the held-out examples.
     *
     * @param most examples of the rank that has the most
     * @param count of all ranks
     */
    private record Evaluation(long from, long until, long most, long count, int microBatch) {
        static Evaluation of(long count, int microBatch, int rank, int worldSize) {
            // split without overflow: the whole quotient, and the remainder spread over the ranks
            long begin = count / worldSize * rank + count % worldSize * rank / worldSize;
            long end = count / worldSize * (rank + 1) + count % worldSize * (rank + 1) / worldSize;
            return new Evaluation(begin, end, (count + worldSize - 1) / worldSize, count, microBatch);
        }

        /** As many on every rank, some of them empty; at least one, so that all hear that the stream ends. */
        long batches() {
            return Math.max(1, (most + microBatch - 1) / microBatch);
        }

        Step step(long batch) {
            long begin = Math.min(until, from + (batch - 1) * microBatch);
            long end = Math.min(until, begin + microBatch);
            double done = until == from ? 1 : (double) (end - from) / (until - from);
            boolean last = batch == batches();
            long[][] sequences = LongStream.range(begin, end)
                    .mapToObj(example -> new long[] {example})
                    .toArray(long[][]::new);
            long[] neighbours = LongStream.range(begin, end)
                    .map(example -> (example + 1) % count)
                    .toArray();
            return new Step(
                    Feed.EVALUATION,
                    batch,
                    new StepSequences(done, sequences.length, sequences),
                    neighbours,
                    false,
                    last);
        }
    }
}
