// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.training.PreferenceObjectiveTest.Trained;
import org.chorale.training.PreferenceRun.Cut;
import org.chorale.training.preference.DpoLoss.Variant;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A run with a reference that ran before it is the run with one that runs beside it. */
final class PrecomputedReferenceTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "DPO, SIGMOID, ALL, INITIAL, 1, REPLICATE",
        "DPO, SIGMOID, ALL, INITIAL, 2, FULL_SHARD",
        "DPO, IPO, LORA, INITIAL, 2, FULL_SHARD",
        "DPO, HINGE, LORA_AND_HEAD, BASE, 2, KEEP_GATHERED",
        "KTO,, ALL, INITIAL, 1, REPLICATE",
        "KTO,, LORA_AND_HEAD, INITIAL, 2, FULL_SHARD"
    })
    void lossesGradientsAndMetricsAreThoseOfACopyBesideThePolicy(
            PreferenceConfig.Type type,
            Variant variant,
            Trained trained,
            PreferenceConfig.Reference compared,
            int ranks,
            Mode mode) {
        PreferenceConfig config = PreferenceRun.config(type, Optional.ofNullable(variant), Optional.of(compared));
        Cut cut = new Cut(ranks, mode, 2, Precision.FP32);
        try (ModelFolder folder = trained.folder(directory)) {
            KnownScores known = KnownScores.of(folder, config, PreferenceRun.batches(config));
            PreferenceRun beside = PreferenceRun.of(folder, config, cut);
            PreferenceRun before = PreferenceRun.of(folder, config, cut, Optional.of(known));
            for (int i = 0; i < beside.results().size(); i++) {
                StepResult expected = beside.results().get(i);
                StepResult actual = before.results().get(i);
                assertThat(actual.lossNats()).isCloseTo(expected.lossNats(), within(1e-5));
                assertThat(actual.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-3 * expected.gradNorm()));
            }
            assertThat(before.loss()).isCloseTo(beside.loss(), within(1e-5));
            agree(before.after(), beside.after());
        }
    }

    @Test
    void whatOneReferenceFoundIsNotAnothers() {
        PreferenceConfig config = PreferenceRun.config(PreferenceConfig.Type.DPO);
        try (ModelFolder folder = TinyModel.folder(directory, true)) {
            KnownScores known = KnownScores.of(folder, config, PreferenceRun.batches(config));
            known.scores().replaceAll((key, score) -> score * (1 + 0.01 * (key.get(key.size() - 1) % 3)));
            double own = PreferenceRun.of(folder, config, Cut.ALONE).loss();
            double other = PreferenceRun.of(folder, config, Cut.ALONE, Optional.of(known))
                    .loss();
            assertThat(Math.abs(own - other)).isGreaterThan(1e-4);
        }
    }

    @Test
    void anAdapterThatBeginsAsNothingIsNoPartOfTheReference() {
        PreferenceConfig config = PreferenceRun.config(PreferenceConfig.Type.DPO);
        try (ModelFolder plain = TinyModel.folder(directory, true);
                ModelFolder small = adapted(4);
                ModelFolder large = adapted(8)) {
            assertThat(fingerprint(small, config))
                    .isEqualTo(fingerprint(large, config))
                    .isEqualTo(fingerprint(plain, config));
            assertThat(small.fingerprint()).isNotEqualTo(large.fingerprint());
        }
    }

    private ModelFolder adapted(int rank) {
        return TinyModel.folder(directory, true).adapted(LoraConfig.allLinear(rank, 8), 1);
    }

    private static String fingerprint(ModelFolder folder, PreferenceConfig config) {
        return Reference.alone(folder, config).orElseThrow().fingerprint();
    }

    private static void agree(Map<String, Double> actual, Map<String, Double> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, value) ->
                assertThat(actual.get(name)).as(name).isCloseTo(value, within(1e-3 * Math.max(1, Math.abs(value)))));
    }
}
