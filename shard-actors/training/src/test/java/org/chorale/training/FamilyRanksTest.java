// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.layer.Recompute;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every family on two and three ranks gives what it gives on one: whole, and with an adapter on all of its linears. */
final class FamilyRanksTest {
    private static final double CLIP_NORM = 0.3;

    private static final List<String> FAMILIES = List.of(
            "mistral-sliding",
            "qwen2",
            "qwen3",
            "gpt-neox",
            "gpt-neox-sequential",
            "gemma2",
            "gemma3",
            "phi3",
            "olmo2",
            "llama3-rope-tied",
            "mixtral",
            "qwen3-moe");

    private static final LoraConfig EVERYWHERE = LoraConfig.allLinear(3, 6).dropping(0.1);

    private record Case(String family, boolean adapted, int worldSize, Mode mode, Recompute recompute) {
        Setup setup() {
            return new Setup(worldSize, mode, mode == Mode.FULL_SHARD, 2, recompute, Precision.FP32, CLIP_NORM);
        }

        /** The bias of keys hardly has a gradient: Adam would turn its rounding into moves. */
        ModelFolder folder() throws URISyntaxException {
            ModelFolder folder = ModelFolder.pretrained(golden(family));
            if (adapted) {
                return folder.adapted(EVERYWHERE, 4);
            }
            return switch (family) {
                case "gpt-neox", "gpt-neox-sequential" -> without(folder, "**.query_key_value.bias");
                case "qwen2" -> without(folder, "**.k_proj.bias");
                default -> folder;
            };
        }

        private static ModelFolder without(ModelFolder folder, String pattern) {
            return folder.with(new Freezing(List.of(NamePattern.glob(pattern)), List.of()));
        }
    }

    /** Modes and recomputation take turns, so that each pair of a family's neighbours differs in them. */
    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        List<Mode> modes = List.of(Mode.FULL_SHARD, Mode.KEEP_GATHERED, Mode.OPTIMIZER_ONLY, Mode.REPLICATE);
        for (int i = 0; i < FAMILIES.size(); i++) {
            Recompute[] all = Recompute.values();
            cases.add(new Case(FAMILIES.get(i), false, 2 + i % 2, modes.get(i % 4), all[i % 3]));
            cases.add(new Case(FAMILIES.get(i), true, 3 - i % 2, modes.get((i + 1) % 4), all[(i + 1) % 3]));
            cases.add(new Case(FAMILIES.get(i), i % 2 == 0, 2 + i % 2, Mode.FULL_SHARD, Recompute.NONE));
        }
        return cases;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void manyRanksGiveWhatOneGives(Case one) throws URISyntaxException {
        try (ModelFolder folder = one.folder();
                ModelFolder again = one.folder()) {
            Findings findings = new Findings();
            findings.compare(
                    RankRun.of(folder, one.setup()), RankRun.of(again, Setup.alone(Precision.FP32, CLIP_NORM)));
            findings.assertWithinTolerances(one);
        }
    }

    /** Means over the whole batch, although each rank and each micro-batch sees a part of it, or nothing. */
    @ParameterizedTest
    @CsvSource({"2, false, FULL_SHARD, NONE", "3, false, OPTIMIZER_ONLY, SELECTIVE", "3, true, FULL_SHARD, FULL"})
    void aLossOfTheRoutersIsThatOfAllRanksTogether(
            int worldSize, boolean adapted, Mode mode, Recompute recompute, @TempDir Path balanced) throws Exception {
        Path golden = golden("mixtral");
        Files.copy(golden.resolve("model.safetensors"), balanced.resolve("model.safetensors"));
        String config = Files.readString(golden.resolve("config.json"));
        Files.writeString(
                balanced.resolve("config.json"),
                config.replace("\"output_router_logits\": false", "\"output_router_logits\": true")
                        .replaceAll("\"router_aux_loss_coef\": [0-9.]+", "\"router_aux_loss_coef\": 0.5"));
        ModelFolder base = ModelFolder.pretrained(balanced);
        try (ModelFolder folder = adapted ? base.adapted(EVERYWHERE, 4) : base) {
            Setup setup = new Setup(worldSize, mode, mode == Mode.FULL_SHARD, 2, recompute, Precision.FP32, CLIP_NORM);
            RankRun many = RankRun.of(folder, setup);
            assertThat(many.results())
                    .allSatisfy(result -> assertThat(result.metrics())
                            .hasEntrySatisfying(
                                    "loss.router", loss -> assertThat(loss).isGreaterThan(0.4)));
            Findings findings = new Findings();
            findings.compare(many, RankRun.of(folder, Setup.alone(Precision.FP32, CLIP_NORM)));
            findings.assertWithinTolerances(setup);
        }
    }

    private static Path golden(String family) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(FamilyRanksTest.class.getResource("/goldens/" + family))
                .toURI());
    }
}
