// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.chorale.coordinator.plan.CheckpointSettings.Exported;
import org.chorale.coordinator.plan.EvaluationSettings.Metric;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;

class RunTermsTest {
    @Test
    void theDefaultsAndADirectoryAreEnough() {
        RunTerms terms = Runs.terms();
        assertThat(terms.run().dir()).isEqualTo(Path.of("runs/test"));
        assertThat(terms.run().steps()).isEmpty();
        assertThat(terms.run().progressTimeout()).isEqualTo(Duration.ofMinutes(30));
        assertThat(terms.checkpoint()).isEqualTo(new CheckpointSettings(100, 2, false, Exported.LAST));
        assertThat(terms.evaluation()).isEqualTo(new EvaluationSettings(0, Metric.LOSS, 0));
    }

    @Test
    void everySettingThatIsWrongIsReportedAtOnceWithKeyAndValue() {
        String[] wrong = {
            "run.steps = 0",
            "run.epochs = -1",
            "run.progress-timeout = 5 ms",
            "run.non-finite-steps = -2",
            "checkpoint.every = -3",
            "checkpoint.keep = 0",
            "checkpoint.export = best",
            "evaluation.every = -4",
            "evaluation.patience = -1",
            "data.sequence-tokens = -5"
        };
        assertThatThrownBy(() -> Runs.terms(wrong)).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
            assertThat(e.fault().message().lines()).hasSize(wrong.length).allMatch(line -> line.contains(": must be "));
            assertThat(e.fault().message())
                    .contains("run.steps = 0: must be at least 1")
                    .contains("checkpoint.keep = 0: must be at least 1")
                    .contains("data.sequence-tokens = -5: ");
        });
    }

    @Test
    void aRunIsCutAsItsModeCanBe() {
        assertThat(problems("mode = hybrid"))
                .containsExactly("parallel.shard-size = null: must be more than 1, less than parallel.workers and a"
                        + " divisor of it where parallel.mode is hybrid");
        assertThat(problems("workers = 6", "mode = hybrid", "shard-size = 4")).hasSize(1);
        assertThat(problems("workers = 4", "mode = hybrid", "shard-size = 4")).hasSize(1);
        assertThat(problems("workers = 4", "shard-size = 2"))
                .containsExactly("parallel.shard-size = 2: must be null unless the mode is hybrid");
        assertThat(problems("workers = 4", "mode = replicate", "reduce = micro-batch"))
                .containsExactly("parallel.reduce = micro-batch: must be step where parallel.mode is replicate:"
                        + " every rank holds all gradients anyway");
    }

    @Test
    void everythingThatIsWrongWithTheWorkersIsToldAtOnce() {
        assertThat(problems("workers = 1025", "feeders = 0", "recoveries = -1", "shard-size = 3"))
                .containsExactly(
                        "parallel.workers = 1025: must be from 1 to 1024",
                        "parallel.shard-size = 3: must be null unless the mode is hybrid",
                        "parallel.feeders = 0: must be from 1 to parallel.workers",
                        "parallel.recoveries = -1: must be 0 or more");
        assertThat(problems("workers = 2", "feeders = 3")).hasSize(1);
    }

    private static List<String> problems(String... settings) {
        try {
            Runs.terms("parallel { %s }".formatted(String.join(", ", settings)));
            return List.of();
        } catch (FaultException e) {
            return e.fault().message().lines().toList();
        }
    }

    @Test
    void theFeederSaysHowManyStepsTheEpochsTakeUnlessStepsAreGiven() {
        assertThat(Runs.terms("run.epochs = 3").totalSteps(Runs.DATA)).isEqualTo(5);
        assertThat(Runs.terms("run.steps = 7", "run.epochs = 3").totalSteps(Runs.DATA))
                .isEqualTo(7);
    }
}
