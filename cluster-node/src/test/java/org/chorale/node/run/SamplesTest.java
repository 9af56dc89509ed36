// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole runs of two epochs: what a step is made of does not depend on who makes it. */
@Timeout(120)
final class SamplesTest {
    private static final Path MODEL = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy/recipes/quickstart/model");

    private static final int EXAMPLES = 60;
    private static final int GLOBAL_BATCH = 7; // no worker count divides it, and it divides no epoch
    private static final int STEPS_PER_EPOCH = 9;

    @TempDir
    static Path folder;

    /** Of a run with one worker and one feeder. */
    private static List<List<Long>> alone;

    @BeforeAll
    static void runAlone() throws InterruptedException {
        alone = samples(1, 1);
        assertThat(alone).hasSize(2 * STEPS_PER_EPOCH);
    }

    @ParameterizedTest
    @CsvSource({"2, 1", "2, 2", "3, 1", "4, 2"})
    void everyStepHasTheSameSamplesWhoeverFeedsAndComputesThem(int workers, int feeders) throws InterruptedException {
        assertThat(samples(workers, feeders)).isEqualTo(alone);
    }

    @Test
    void aSlowWorkerChangesNoStep() throws InterruptedException {
        String slow = "pipeline.preprocess = [{ type = \"%s\" }]".formatted(SlowWorker.class.getName());

        assertThat(samples(3, 2, slow)).isEqualTo(alone);
        assertThat(SlowWorker.pauses()).isGreaterThanOrEqualTo(2 * STEPS_PER_EPOCH);
    }

    @Test
    void anEpochHasEveryExampleOnce() {
        List<Long> first = flat(alone.subList(0, STEPS_PER_EPOCH));
        List<Long> second = flat(alone.subList(STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH));
        Long[] every = LongStream.range(0, EXAMPLES).boxed().toArray(Long[]::new);

        assertThat(first).containsExactlyInAnyOrder(every);
        assertThat(second).containsExactlyInAnyOrder(every).isNotEqualTo(first);
    }

    private static List<Long> flat(List<List<Long>> steps) {
        return steps.stream().flatMap(List::stream).toList();
    }

    /** Of each step, in the order in which the ranks have them. */
    private static List<List<Long>> samples(int workers, int feeders, String... lines) throws InterruptedException {
        Path dir = folder.resolve("%d-%d-%d".formatted(workers, feeders, lines.length));
        String conf = conf(dir, workers, feeders, String.join("\n", lines));
        List<List<Long>> samples = new ArrayList<>();
        try (RunDirectory directory = RunDirectory.open(dir, conf);
                LocalRun run = LocalRun.start(new LocalCast(conf, directory), Duration.ofMinutes(1), event -> {
                    if (event.hasStep()) {
                        StepReport step = event.getStep();
                        samples.add(step.getSamplesList());
                    }
                })) {
            RunEnded ended = run.await();
            assertThat(ended.getOutcome()).as(ended.getMessage()).isEqualTo(RunEnded.Outcome.FINISHED);
        }
        return samples;
    }

    private static String conf(Path dir, int workers, int feeders, String lines) {
        return ConfigFactory.parseString("""
                        model { path = "%s", initialize = random }
                        data {
                          generate { task = reverse-words, train-rows = %d, held-out-rows = 2 }
                          global-batch = %d, micro-batch = 2, sequence-tokens = 64
                        }
                        run { dir = "%s", epochs = 2 }
                        parallel { isolation = in-process, workers = %d, feeders = %d }
                        %s
                        """.formatted(MODEL, EXAMPLES, GLOBAL_BATCH, dir, workers, feeders, lines))
                .withFallback(ConfigReader.defaults())
                .root()
                .render(ConfigRenderOptions.concise());
    }
}
