// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.decoder.DecoderMemory.Beside;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.training.ActivationPlan.Work;
import org.chorale.training.shard.ModelShard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is recomputed where it is stated, and where it follows from the memory that there is. */
final class ActivationPlanTest {
    private static final int BLOCKS = 6;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"NONE, none", "SELECTIVE, selective", "FULL, full"})
    void whatIsStatedIsDoneWhateverItTakes(RecomputePolicy policy, String words) {
        try (ModelFolder folder = TinyModel.deep(directory, BLOCKS);
                ModelShard shard = TinyModel.shard(folder)) {
            ActivationPlan plan = ActivationPlan.apply(policy, shard, 2, 16, false);
            assertThat(plan.words()).isEqualTo(words);
            assertThat(plan.budgetBytes()).isEmpty();
            assertThat(plan.fits()).isTrue();
            assertThat(plan.keptBytes()).isEqualTo(shard.model().memory().keptBytes(plan.recompute(), 2 * 16));
        }
    }

    @Test
    void aCpuHasNoMemoryToChooseBy() {
        try (ModelFolder folder = TinyModel.deep(directory, BLOCKS);
                ModelShard shard = TinyModel.shard(folder)) {
            assertThatThrownBy(() -> ActivationPlan.apply(RecomputePolicy.AUTO, shard, 2, 16, false))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("model.recompute = auto", "none, selective or full");
        }
    }

    @Test
    void theLeastThatFitsIsChosenAndSaysWhatItTakes() {
        try (ModelFolder folder = TinyModel.deep(directory, BLOCKS);
                ModelShard shard = TinyModel.shard(folder)) {
            Work work = new Work(shard.model().memory(), 2, 16, Beside.NOTHING);
            long everything = work.plan(RecomputePlan.NONE, Optional.empty()).peakBytes();
            assertThat(work.within(everything).recompute()).isEqualTo(RecomputePlan.NONE);

            ActivationPlan mixed = work.within(everything - 1);
            assertThat(mixed.words()).isEqualTo("none in 5, selective in 1");
            assertThat(mixed.fits()).isTrue();
            assertThat(mixed)
                    .hasToString(
                            "recompute none in 5, selective in 1; activations 0.00 GiB, with buffers and gradients 0.00 GiB"
                                    + " at most of 0.00 GiB");
        }
    }

    @Test
    void whereNothingFitsTheLeastIsTakenAndDoesNotClaimToFit() {
        try (ModelFolder folder = TinyModel.deep(directory, BLOCKS);
                ModelShard shard = TinyModel.shard(folder)) {
            ActivationPlan plan = new Work(shard.model().memory(), 2, 16, Beside.NOTHING).within(1);
            assertThat(plan.words()).isEqualTo("full");
            assertThat(plan.fits()).isFalse();
        }
    }

    @Test
    void whatKeepsLessIsNamedWithWhatItKeeps() {
        try (ModelFolder folder = TinyModel.deep(directory, BLOCKS);
                ModelShard shard = TinyModel.shard(folder)) {
            long rows = 1 << 20;
            Work work = new Work(shard.model().memory(), rows / 16, 16, Beside.NOTHING);
            assertThat(work.plan(RecomputePlan.NONE, Optional.empty()).savings())
                    .contains("model.recompute = auto, selective (%s), full (%s), in the place of %s of activations"
                            .formatted(
                                    kept(shard, "SELECTIVE", rows),
                                    kept(shard, "FULL", rows),
                                    kept(shard, "NONE", rows)));
            assertThat(work.plan(plan("SELECTIVE"), Optional.empty()).savings().orElseThrow())
                    .startsWith("model.recompute = auto, full (");
            assertThat(work.plan(plan("FULL"), Optional.empty()).savings()).isEmpty();
        }
    }

    private static String kept(ModelShard shard, String policy, long rows) {
        double bytes = (double) shard.model().memory().keptBytes(plan(policy), rows);
        return String.format(Locale.ROOT, "%.2f GiB", bytes / (1 << 30));
    }

    private static RecomputePlan plan(String policy) {
        return RecomputePolicy.valueOf(policy).plan().orElseThrow();
    }
}
