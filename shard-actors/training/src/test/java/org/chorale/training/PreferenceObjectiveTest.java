// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.tensor.NativeMemory;
import org.chorale.training.PreferenceRun.Cut;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.preference.DpoLoss.Variant;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

final class PreferenceObjectiveTest {
    private static final double BETA = 0.1;

    /** A metric that the last bit decides while policy and reference are the same. */
    private static final String NOTHING_GAINED_YET = "rewards.accuracy";

    private static final String NONE = "";

    @TempDir
    private Path directory;

    /** What is trained. */
    enum Trained {
        ALL,
        LORA,
        LORA_AND_HEAD;

        ModelFolder folder(Path directory) {
            return switch (this) {
                case ALL -> TinyModel.folder(directory, true);
                case LORA -> TinyModel.folder(directory, false).adapted(LoraConfig.allLinear(4, 8), 1);
                case LORA_AND_HEAD -> TinyModel.folder(directory, true).adapted(withHead(), 1);
            };
        }

        private static LoraConfig withHead() {
            return new LoraConfig(
                    4,
                    8,
                    0.2,
                    ModuleSelection.ALL_LINEAR,
                    ModuleSelection.NOTHING,
                    Map.of(),
                    Map.of(),
                    false,
                    false,
                    List.of("lm_head"),
                    List.of(),
                    List.of(),
                    Initialize.UNIFORM,
                    Optional.empty());
        }
    }

    @ParameterizedTest
    @EnumSource
    void theReferenceIsTheModelAsItWasBeforeTheFirstStep(Trained trained) {
        try (ModelFolder folder = trained.folder(directory)) {
            PreferenceRun run = PreferenceRun.of(folder, PreferenceRun.config(PreferenceConfig.Type.DPO), Cut.ALONE);
            Map<String, Double> before = run.before();
            Map<String, Double> after = run.after();
            assertThat(before).containsEntry("rewards.margin", 0.0).containsEntry("rewards.chosen", 0.0);
            assertThat(after.get("rewards.margin")).isNotZero();
            for (String answer : List.of("chosen", "rejected")) {
                double gained = of(after, "logps." + answer) - of(before, "logps." + answer);
                assertThat(after.get("rewards." + answer)).isCloseTo(BETA * gained, within(1e-6));
            }
        }
    }

    @Test
    void beforeTheFirstStepEveryPairCostsTheLogarithmOfTwo() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            StepResult first = PreferenceRun.of(folder, PreferenceRun.config(PreferenceConfig.Type.DPO), Cut.ALONE)
                    .results()
                    .get(0);
            assertThat(first.lossNats()).isEqualTo((float) Math.log(2));
            assertThat(first.trainedTokens())
                    .as("pairs but the one whose answers are cut off")
                    .isEqualTo(2);
            assertThat(first.gradNorm()).isPositive();
        }
    }

    @Test
    void onlyWhatIsTrainedIsHeldTwice() {
        PreferenceConfig dpo = PreferenceRun.config(PreferenceConfig.Type.DPO);
        try (ModelFolder lora = Trained.LORA.folder(directory)) {
            assertThat(Reference.of(lora, dpo).orElseThrow().copied()).isEmpty();
        }
        try (ModelFolder head = Trained.LORA_AND_HEAD.folder(directory)) {
            assertThat(Reference.of(head, dpo).orElseThrow().copied()).containsExactly("lm_head.weight");
            assertThat(Reference.of(head, PreferenceRun.config(PreferenceConfig.Type.ORPO)))
                    .isEmpty();
        }
    }

    @Test
    void anAdapterThatIsTrainedFurtherIsComparedWithItselfOrWithItsBase() {
        try (ModelFolder folder = golden()) {
            PreferenceConfig initial = PreferenceRun.config(PreferenceConfig.Type.DPO);
            assertThat(Reference.of(folder, initial).orElseThrow().copied())
                    .isNotEmpty()
                    .allMatch(name -> name.contains(".lora_"));
            assertThat(PreferenceRun.of(folder, initial, Cut.ALONE).before()).containsEntry("rewards.margin", 0.0);
        }
        try (ModelFolder folder = golden()) {
            PreferenceConfig base = PreferenceRun.config(
                    PreferenceConfig.Type.DPO, Optional.empty(), Optional.of(PreferenceConfig.Reference.BASE));
            assertThat(Reference.of(folder, base).orElseThrow().copied()).isEmpty();
            assertThat(PreferenceRun.of(folder, base, Cut.ALONE).before().get("rewards.margin"))
                    .isNotZero();
        }
    }

    private static ModelFolder golden() {
        return ModelFolder.pretrained(golden("llama")).adapted(golden("peft-lora-llama"));
    }

    private static Path golden(String name) {
        try {
            return Path.of(Objects.requireNonNull(PreferenceObjectiveTest.class.getResource("/goldens/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "DPO, ALL, 2, FULL_SHARD, 2",
        "DPO, LORA, 3, FULL_SHARD, 1",
        "DPO, LORA_AND_HEAD, 2, KEEP_GATHERED, 3",
        "ORPO, ALL, 3, OPTIMIZER_ONLY, 2",
        "ORPO, LORA, 2, FULL_SHARD, 1",
        "KTO, ALL, 2, FULL_SHARD, 3",
        "KTO, LORA_AND_HEAD, 4, HYBRID, 1",
        "KTO, LORA, 1, REPLICATE, 3"
    })
    void howTheWorkIsCutMattersNot(
            PreferenceConfig.Type type, Trained trained, int worldSize, Mode mode, int microBatches) {
        try (ModelFolder folder = trained.folder(directory)) {
            PreferenceConfig config = PreferenceRun.config(type);
            PreferenceRun alone = PreferenceRun.of(folder, config, Cut.ALONE);
            PreferenceRun cut =
                    PreferenceRun.of(folder, config, new Cut(worldSize, mode, microBatches, Precision.FP32));
            for (int i = 0; i < alone.results().size(); i++) {
                StepResult expected = alone.results().get(i);
                StepResult actual = cut.results().get(i);
                assertThat(actual.trainedTokens()).isEqualTo(expected.trainedTokens());
                assertThat(actual.lossNats()).isCloseTo(expected.lossNats(), within(2e-5));
                assertThat(actual.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-3 * expected.gradNorm()));
                agree(actual.metrics(), expected.metrics(), i == 0 ? NOTHING_GAINED_YET : NONE);
            }
            assertThat(cut.loss()).isCloseTo(alone.loss(), within(2e-5));
            agree(cut.after(), alone.after(), NONE);
        }
    }

    @ParameterizedTest
    @CsvSource({"DPO, BF16", "DPO, FP16", "ORPO, BF16", "KTO, BF16"})
    void halfPrecisionFollowsTheSameCurve(PreferenceConfig.Type type, Precision precision) {
        try (ModelFolder folder = Trained.ALL.folder(directory)) {
            PreferenceConfig config = PreferenceRun.config(type);
            List<StepResult> exact = PreferenceRun.of(folder, config, Cut.ALONE).results();
            List<StepResult> half =
                    PreferenceRun.of(folder, config, Cut.alone(precision)).results();
            for (int i = 0; i < exact.size(); i++) {
                double loss = exact.get(i).lossNats();
                assertThat(half.get(i).skipped()).isFalse();
                assertThat(half.get(i).lossNats()).isCloseTo(loss, within(3e-2 * loss));
            }
        }
    }

    @Test
    void aRestoredCheckpointIsComparedWithTheSameReference() {
        PreferenceConfig config = PreferenceRun.config(PreferenceConfig.Type.DPO);
        try (ModelFolder folder = TinyModel.folder(directory, true)) {
            Path file = directory.resolve("rank-00000.safetensors");
            List<StoredFile> written = new ArrayList<>();
            List<StepResult> whole = PreferenceRun.steps(folder, config, 4, (step, state) -> {
                if (step == 2) {
                    written.add(new StoredFile(
                            file, CheckpointWriter.write(file, state, step).boxes()));
                }
            });
            List<StepResult> resumed = PreferenceRun.stepsAfter(written.get(0), folder, config, 4);
            assertThat(resumed).isEqualTo(whole.subList(2, 4));
        }
    }

    @Test
    void stepsLeaveNothingBehind() {
        for (PreferenceConfig.Type type : PreferenceConfig.Type.values()) {
            List<Long> references = new ArrayList<>();
            try (ModelFolder folder = TinyModel.folder(directory, true)) {
                PreferenceRun.steps(
                        folder,
                        PreferenceRun.config(type),
                        6,
                        (step, state) -> references.add(NativeMemory.liveReferences()));
            }
            assertThat(references.subList(2, 6)).as(type.word()).containsOnly(references.get(1));
        }
    }

    @Test
    void withoutAReferenceRewardsAreLogProbabilities() {
        PreferenceConfig free = PreferenceRun.config(
                PreferenceConfig.Type.DPO, Optional.of(Variant.HINGE), Optional.of(PreferenceConfig.Reference.NONE));
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            Map<String, Double> before =
                    PreferenceRun.of(folder, free, Cut.ALONE).before();
            assertThat(before.get("rewards.chosen")).isCloseTo(BETA * of(before, "logps.chosen"), within(1e-9));
        }
    }

    private static double of(Map<String, Double> metrics, String name) {
        return Objects.requireNonNull(metrics.get(name), name);
    }

    private static void agree(Map<String, Double> actual, Map<String, Double> expected, String ties) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, value) -> {
            if (!name.equals(ties)) {
                assertThat(actual.get(name)).as(name).isCloseTo(value, within(1e-3 * Math.max(1, Math.abs(value))));
            }
        });
    }
}
