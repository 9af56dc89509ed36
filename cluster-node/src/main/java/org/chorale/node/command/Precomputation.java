// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.Stream;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.javadsl.StreamConverters;
import org.chorale.data.PreferencePass;
import org.chorale.data.disk.DurableFile;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.reference.LogProbabilities;
import org.chorale.proto.reference.LogProbabilitiesWriter;
import org.chorale.proto.reference.SequenceKey;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.worker.ReferencePrecomputation;

/**
 * {@code chorale precompute}. What is known is written every minute, so that no more than that is lost; it says from which
 * reference it is, and only once all is known from which data, so that no run takes a part for the whole.
 */
record Precomputation(Console console, boolean json) {
    private static final long SAVE_EVERY_NANOS = Duration.ofMinutes(1).toNanos();
    private static final String KEY = PreferenceConfig.KEY + ".precomputed";

    /** What a run's examples are tokenized by at once, at most. */
    private static final int MAX_PARALLELISM = 8;

    int run(Path runFile, List<String> assignments) throws IOException {
        try (TemporaryFolder scratch =
                TemporaryFolder.create("chorale-precompute-")) { // a run may use its own directory
            RunConf conf =
                    new RunFile(runFile, console.currentFolder()).resolve(assignments, Optional.of(scratch.path()));
            Path file = file(conf);
            NamedPaths.refuseMissingInput(conf);
            try (PreferencePass pass = PreferencePass.open(conf.text());
                    ReferencePrecomputation reference = ReferencePrecomputation.open(conf.text())) {
                compute(pass, reference, file);
            }
        }
        return ExitCode.DONE;
    }

    private static Path file(RunConf conf) {
        PreferenceConfig preference = ConfigReader.read(conf.text(), PreferenceConfig.KEY, PreferenceConfig.class);
        Path file = preference
                .precomputed()
                .orElseThrow(() -> new FaultException(
                        FaultCode.CONFIG_INVALID, KEY + " is not set: name the file that is to be written"));
        if (!LogProbabilities.mayStandAt(file)) {
            throw new FaultException(
                    FaultCode.OUTPUT_REFUSED,
                    "%s = %s: is no file of log-probabilities and is not overwritten; name another"
                            .formatted(KEY, file));
        }
        return file;
    }

    private void compute(PreferencePass pass, ReferencePrecomputation reference, Path file) throws IOException {
        long begunNanos = System.nanoTime();
        SortedMap<SequenceKey, Double> values = known(file, reference.origin());
        int before = values.size();
        ActorSystem system = ActorSystem.create(SystemConfig.WORKER, SystemConfig.complete(SystemConfig.local()));
        try (Stream<StepBatch> batches = pass.batches(ForkJoinPool.commonPool(), parallelism())
                .runWith(StreamConverters.asJavaStream(), system)) {
            computeAll(batches.iterator(), pass.count(), reference, values, file);
        } finally {
            system.terminate();
        }
        Map<String, String> origin = new LinkedHashMap<>(reference.origin());
        origin.putAll(pass.origin());
        write(file, origin, values);
        tell(file, values.size(), before, (System.nanoTime() - begunNanos) / 1e9);
    }

    private void computeAll(
            Iterator<StepBatch> batches,
            long count,
            ReferencePrecomputation reference,
            SortedMap<SequenceKey, Double> values,
            Path file)
            throws IOException {
        long savedNanos = System.nanoTime();
        int unsaved = 0;
        for (long done = 1; batches.hasNext(); done++) {
            unsaved += reference.add(batches.next(), values);
            if (values.size() > LogProbabilities.MAX_SEQUENCES) {
                throw new FaultException(
                        FaultCode.OUTPUT_REFUSED,
                        "%s = %s: holds %,d sequences at most, and there are more; name another file for these data"
                                .formatted(KEY, file, LogProbabilities.MAX_SEQUENCES));
            }
            if (System.nanoTime() - savedNanos > SAVE_EVERY_NANOS && unsaved > 0) {
                write(file, reference.origin(), values);
                console.err().printf(Locale.ROOT, "%,d of %,d batches%n", done, count);
                unsaved = 0;
                savedNanos = System.nanoTime();
            }
        }
    }

    /** Of the same reference; what another one made is of no use. */
    private SortedMap<SequenceKey, Double> known(Path file, Map<String, String> origin) {
        if (Files.notExists(file)) {
            return new TreeMap<>();
        }
        try {
            LogProbabilities found = LogProbabilities.open(file);
            List<String> differences = found.differences(origin);
            if (differences.isEmpty()) {
                return found.toMap();
            }
            console.err()
                    .printf("%s is of another reference (%s): it is made anew%n", file, String.join("; ", differences));
        } catch (FaultException e) {
            console.err().printf("%s: it is made anew%n", e.fault().message());
        }
        return new TreeMap<>();
    }

    private static void write(Path file, Map<String, String> origin, SortedMap<SequenceKey, Double> values)
            throws IOException {
        try (DurableFile out = DurableFile.begin(file)) {
            LogProbabilitiesWriter.write(out.out(), origin, values);
            out.commit();
        }
    }

    private static int parallelism() {
        return Math.min(MAX_PARALLELISM, Runtime.getRuntime().availableProcessors());
    }

    private void tell(Path file, int all, int before, double seconds) {
        if (json) {
            console.out()
                    .println(JsonNodeFactory.instance
                            .objectNode()
                            .put("file", file.toString())
                            .put("log_probabilities", all)
                            .put("computed", all - before)
                            .put("seconds", seconds));
        } else {
            console.out()
                    .printf(
                            Locale.ROOT,
                            "%s: %,d log-probabilities, %,d of them computed now, in %.1f s%n",
                            file,
                            all,
                            all - before,
                            seconds);
        }
    }
}
