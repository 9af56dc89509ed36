// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.feed.BatchFraming;

/** A tiny model, batches for it, and a run's configuration. */
final class Examples {
    private Examples() {}

    static void writeModel(Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
                """);
    }

    /** The defaults, and what these tests want otherwise. */
    static String runConf(Path model, String precision, String progressTimeout, String more) {
        return ConfigFactory.parseString("""
                run.progress-timeout = %s
                precision = %s
                model { path = "%s", initialize = random }
                optimizer { learning-rate = 1e-2, schedule = constant, weight-decay = 0 }
                %s
                """.formatted(progressTimeout, precision, model, more))
                .withFallback(ConfigReader.defaults())
                .root()
                .render(ConfigRenderOptions.concise());
    }

    /** Two sequences of three tokens, of which four labels count. */
    static StepBatch batch(Feed feed, long index, boolean last) {
        Batch batch = new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, new long[] {1, 2, 3, 4, 5, 6}, 2, 3),
                Column.ofLongs(Batch.LABELS, new long[] {Batch.IGNORED, 2, 3, Batch.IGNORED, 5, 6}, 2, 3),
                Column.ofLongs(Batch.LENGTHS, new long[] {3, 3}, 2)));
        return new StepBatch(feed, index, 0.5, new long[] {7, 5}, 6, 0, List.of(batch), last);
    }

    /** One of the two sequences. */
    static StepBatch half(Feed feed, long index, boolean last, int which) {
        long first = which * 3L + 1;
        Batch batch = new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, new long[] {first, first + 1, first + 2}, 1, 3),
                Column.ofLongs(Batch.LABELS, new long[] {Batch.IGNORED, first + 1, first + 2}, 1, 3),
                Column.ofLongs(Batch.LENGTHS, new long[] {3}, 1)));
        return new StepBatch(feed, index, 0.5, new long[] {7 - 2L * which}, 3, 0, List.of(batch), last);
    }

    /** No sequence: what a rank gets that has fewer rows than others. */
    static StepBatch empty(Feed feed, long index, boolean last) {
        Batch batch = new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, new long[0], 0, 1),
                Column.ofLongs(Batch.LABELS, new long[0], 0, 1),
                Column.ofLongs(Batch.LENGTHS, new long[0], 0)));
        return new StepBatch(feed, index, 0.5, new long[0], 0, 0, List.of(batch), last);
    }

    /** As a feeder sends batches. */
    static SourceRef<ByteString> stream(Source<StepBatch, NotUsed> batches, ActorSystem<?> system) {
        return BatchFraming.encode(batches, Examples::fault, system).runWith(BatchFraming.forRank(), system);
    }

    static Fault fault(Throwable failure) {
        return new Fault(FaultCode.DATA_CHANGED, String.valueOf(failure.getMessage()));
    }
}
