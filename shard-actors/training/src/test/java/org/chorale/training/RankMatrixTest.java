// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Recompute;
import org.chorale.training.RankMatrix.Accumulation;
import org.chorale.training.RankMatrix.Case;
import org.chorale.training.RankMatrix.Model;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Many ranks give what one gives. Buffers that a unit gives back hold NaN, so that nothing that is read after its release
 * stays unseen.
 */
final class RankMatrixTest {
    /** torch.testing.assert_close, for fp32. */
    private static final double RELATIVE = 1.3e-6;

    private static final double ABSOLUTE = 1e-5;

    @TempDir
    private static Path directory;

    private static final Map<String, RankRun> REFERENCES = new ConcurrentHashMap<>();

    /** Whoever carries out a case. */
    private interface Ranks {
        RankRun run(Case one);
    }

    static List<Case> pairwise() {
        return RankMatrix.pairwise();
    }

    @ParameterizedTest
    @MethodSource("pairwise")
    void manyRanksGiveWhatOneGives(Case one) {
        check(one, RankMatrixTest::onThreads);
    }

    @Test
    void ranksThatAreProcessesGiveWhatOneGives() throws IOException {
        try (RankProcesses ranks = RankProcesses.start(directory, 4)) {
            check(
                    new Case(Model.TIED, Mode.FULL_SHARD, 2, Accumulation.REDUCED_ONCE, false, Recompute.NONE),
                    ranks::run);
            check(
                    new Case(Model.LORA, Mode.HYBRID, 4, Accumulation.REDUCED_EACH, true, Recompute.SELECTIVE),
                    ranks::run);
        }
    }

    @Test
    void aProcessThatDiesFailsItsRunWithItsLastWords() throws IOException {
        Case unknown = new Case(Model.TIED, Mode.HYBRID, 2, Accumulation.REDUCED_ONCE, false, Recompute.NONE);
        try (RankProcesses ranks = RankProcesses.start(directory, 2)) {
            assertThatThrownBy(() -> ranks.run(unknown))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContainingAll("HYBRID", "rank 0", "rank 1", "IndexOutOfBoundsException");
        }
    }

    @Test
    void everyPairOfFactorsIsInTheSampleThatIsAlwaysRun() {
        assertThat(RankMatrix.pairwise()).hasSizeLessThan(40).doesNotHaveDuplicates();
        assertThat(RankMatrix.whole()).hasSize(7 * (4 + 3 * 3 + 1) * 3 * 2 * 3);
    }

    /** Each rank is a process. Writes what it has found to {@code target/fsdp-matrix.log}. */
    @Test
    @Tag("full")
    void allWaysToSpreadARunGiveWhatOneRankGives() throws IOException {
        Map<String, Findings> ofWays = new LinkedHashMap<>();
        Map<String, Findings> ofModes = new LinkedHashMap<>();
        Findings all = new Findings();
        try (RankProcesses ranks = RankProcesses.start(directory, 4)) {
            for (Case one : RankMatrix.whole()) {
                Findings found = check(one, ranks::run);
                ofWays.computeIfAbsent(one.mode() + " on " + one.worldSize(), way -> new Findings())
                        .add(found);
                ofModes.computeIfAbsent(one.mode().name(), mode -> new Findings())
                        .add(found);
                all.add(found);
            }
        }
        StringBuilder log = new StringBuilder(Findings.HEAD);
        ofWays.forEach((way, findings) -> log.append(findings.line(way)));
        log.append('\n');
        ofModes.forEach((mode, findings) -> log.append(findings.line(mode)));
        log.append('\n').append(all.line("all"));
        Files.writeString(Path.of("target", "fsdp-matrix.log"), log);
    }

    private static RankRun onThreads(Case one) {
        try (ModelFolder folder = one.model().folder(directory)) {
            return RankRun.of(folder, one.setup());
        }
    }

    private static Findings check(Case one, Ranks ranks) {
        RankRun expected = reference(one.model(), one.clipNorm());
        Findings findings = new Findings();
        findings.compare(ranks.run(one), expected);
        assertThat(findings.worstGradient)
                .as("gradients of the first step, of %s", one)
                .isLessThanOrEqualTo(1);
        assertThat(findings.worstLoss)
                .as("relative difference of the losses, of %s", one)
                .isLessThan(1e-5);
        assertThat(findings.worstWeight)
                .as("difference of the weights, of %s", one)
                .isLessThan(0.1 * RankRun.LEARNING_RATE * RankRun.STEPS);
        assertThat((double) findings.outside)
                .as("weights outside the defaults, of %s", one)
                .isLessThanOrEqualTo(1e-4 * findings.weights);
        return findings;
    }

    private static RankRun reference(Model model, double clipNorm) {
        return REFERENCES.computeIfAbsent(model + " " + clipNorm, key -> {
            try (ModelFolder folder = model.folder(directory)) {
                RankRun run = RankRun.of(folder, Setup.alone(Precision.FP32, clipNorm));
                assertThat(run.results().get(STEPS_BEFORE_LAST).lossNats())
                        .as("it learns, so that there is something to compare")
                        .isNotCloseTo(run.results().get(0).lossNats(), within(1e-3));
                return run;
            }
        });
    }

    private static final int STEPS_BEFORE_LAST = RankRun.STEPS - 1;

    /** How far runs are from their references. */
    private static final class Findings {
        static final String HEAD = """
                Runs of %d AdamW steps on 1 to 4 ranks, each a JVM of its own, over Gloo on 127.0.0.1; each compared with
                the same run on one rank in one micro-batch, in another process.
                gradient: of the first step, the worst in units of what torch's fp32 defaults allow
                loss:     of all steps, the worst relative difference
                outside:  weights after the last step that are outside torch's fp32 defaults
                weight:   the worst difference of them; 0.1 * lr * steps is %.1e

                mode and ranks       runs  gradient       loss               outside     weight
                """.formatted(RankRun.STEPS, 0.1 * RankRun.LEARNING_RATE * RankRun.STEPS);

        private int runs;
        private double worstGradient; // in units of what is allowed
        private double worstLoss; // relative
        private double worstWeight;
        private long weights;
        private long outside; // of the defaults

        void compare(RankRun actual, RankRun expected) {
            runs++;
            assertThat(actual.gradients()).containsOnlyKeys(expected.gradients().keySet());
            for (int i = 0; i < RankRun.STEPS; i++) {
                StepResult one = expected.results().get(i);
                StepResult many = actual.results().get(i);
                assertThat(many.trainedTokens()).isEqualTo(one.trainedTokens());
                assertThat(many.gradNorm()).isCloseTo(one.gradNorm(), within(1e-4 * one.gradNorm()));
                worstLoss = Math.max(worstLoss, Math.abs(many.lossNats() / one.lossNats() - 1));
            }
            expected.gradients().forEach((name, values) -> {
                float[] found = Objects.requireNonNull(actual.gradients().get(name));
                for (int i = 0; i < values.length; i++) {
                    worstGradient = Math.max(worstGradient, excess(found[i], values[i]));
                }
            });
            expected.weights().forEach((name, values) -> {
                float[] found = Objects.requireNonNull(actual.weights().get(name));
                for (int i = 0; i < values.length; i++) {
                    weights++;
                    outside += excess(found[i], values[i]) > 1 ? 1 : 0;
                    worstWeight = Math.max(worstWeight, Math.abs(found[i] - values[i]));
                }
            });
        }

        /** Infinite where a value is not a number. */
        private static double excess(float found, float wanted) {
            double excess = Math.abs(found - wanted) / (ABSOLUTE + RELATIVE * Math.abs(wanted));
            return Double.isNaN(excess) ? Double.POSITIVE_INFINITY : excess;
        }

        void add(Findings other) {
            runs += other.runs;
            worstGradient = Math.max(worstGradient, other.worstGradient);
            worstLoss = Math.max(worstLoss, other.worstLoss);
            worstWeight = Math.max(worstWeight, other.worstWeight);
            weights += other.weights;
            outside += other.outside;
        }

        String line(String way) {
            return String.format(
                    Locale.ROOT,
                    "%-19s %5d %9.3f %10.2e %8d of %9d %10.2e%n",
                    way,
                    runs,
                    worstGradient,
                    worstLoss,
                    outside,
                    weights,
                    worstWeight);
        }
    }
}
