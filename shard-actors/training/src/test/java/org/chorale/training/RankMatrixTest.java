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
import java.util.Map;
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
        findings.assertWithinTolerances(one);
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
}
