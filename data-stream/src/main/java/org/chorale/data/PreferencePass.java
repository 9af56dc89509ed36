// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.Executor;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.data.example.Learning;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultException;

/**
 * Every sequence of preferences that a run will see, trained and held out, for whoever computes something of each before
 * it. Of pairs each comes once. A rated answer comes as often as the run takes it, because of the mismatched one beside
 * it, which is another one each time.
 */
public final class PreferencePass implements AutoCloseable {
    private final RunData data;
    private final Learning learning;

    private PreferencePass(RunData data) {
        this.data = data;
        this.learning = data.settings().preference().learning();
    }

    /**
     * Opens a run's data; what has to be written goes into the run directory that the configuration names.
     *
     * @param runConf resolved, of a run that learns from preferences
     */
    public static PreferencePass open(String runConf) {
        return new PreferencePass(RunData.open(FeedSettings.read(runConf)));
    }

    /** What all sequences come from, by name. */
    public Map<String, String> origin() {
        return DataOrigin.of(data);
    }

    /** How many {@link #batches} there are. */
    public long count() {
        return trainingBatches() + data.eval().map(this::batchesOf).orElse(0L);
    }

    private long trainingBatches() {
        return learning == Learning.RATINGS ? data.steps() : batchesOf(data.train());
    }

    private long batchesOf(Corpus corpus) {
        int microBatch = data.settings().data().microBatch();
        return Math.max(1, (corpus.count() + microBatch - 1) / microBatch);
    }

    /**
     * In the same order each time; ends with a {@link FaultException} where a row cannot be used.
     *
     * @param executor reads and tokenizes
     * @param parallelism tasks that it is given at the same time
     */
    public Source<StepBatch, NotUsed> batches(Executor executor, int parallelism) {
        BatchStream stream = new BatchStream(
                data.settings().data(), learning, data.tokenizer().pad(), executor, parallelism);
        Source<StepBatch, NotUsed> trained = learning == Learning.RATINGS
                ? stream.training(data.order(), data.train()::read, 0, 0, 1).take(data.steps())
                : inOrder(stream, data.train());
        Source<StepBatch, NotUsed> heldOut =
                data.eval().map(eval -> inOrder(stream, eval)).orElseGet(Source::empty);
        return trained.concat(heldOut).mapError(Throwable.class, PreferencePass::fault);
    }

    private static FaultException fault(Throwable thrown) {
        Fault fault = DataFaults.of(thrown);
        return new FaultException(fault.code(), fault.message(), thrown);
    }

    private static Source<StepBatch, NotUsed> inOrder(BatchStream stream, Corpus corpus) {
        return stream.evaluation(corpus.count(), corpus::read, 0, 0, 1);
    }

    @Override
    public void close() throws IOException {
        data.close();
    }
}
