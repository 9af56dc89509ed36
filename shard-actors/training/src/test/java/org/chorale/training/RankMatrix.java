// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.layer.Recompute;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;

/** The ways in which a run can be spread over ranks. */
final class RankMatrix {
    /** What is trained of which model. */
    enum Model {
        UNTIED,
        TIED,
        LORA,
        /** The embedding and the first block are frozen, and some of the second one. */
        FROZEN,
        /** Only parameters that are smaller than the world's alignment. */
        NORMS,
        /** Of experts, whose routers have a loss over the global batch. */
        MIXTURE,
        MIXTURE_LORA;

        /** The same weights each time, whoever makes them. */
        ModelFolder folder(Path directory) {
            ModelFolder folder = this == MIXTURE || this == MIXTURE_LORA
                    ? TinyModel.mixture(directory)
                    : TinyModel.unbiased(directory, this == TIED);
            return switch (this) {
                case UNTIED, TIED, MIXTURE -> folder;
                case LORA -> folder.adapted(dropping("q_proj", "down_proj"), 4);
                case MIXTURE_LORA -> folder.adapted(dropping("q_proj", "gate", "w1", "w2"), 4);
                case FROZEN ->
                    folder.with(new Freezing(
                            List.of(
                                    NamePattern.glob("model.embed_tokens.*"),
                                    NamePattern.glob("model.layers.0.**"),
                                    NamePattern.glob("**.down_proj.**")),
                            List.of()));
                case NORMS -> folder.with(new Freezing(List.of(), List.of(NamePattern.glob("**norm**"))));
            };
        }
    }

    /** How gradients of micro-batches come together. */
    enum Accumulation {
        ONE_MICRO_BATCH,
        REDUCED_EACH,
        REDUCED_ONCE
    }

    /** A point of the matrix. */
    record Case(
            Model model, Mode mode, int worldSize, Accumulation accumulation, boolean clipped, Recompute recompute) {
        static final double CLIP_NORM = 0.3; // well below the norms of all models but that of norms alone

        double clipNorm() {
            return clipped ? CLIP_NORM : Double.POSITIVE_INFINITY;
        }

        Setup setup() {
            return new Setup(
                    worldSize,
                    mode,
                    accumulation == Accumulation.REDUCED_EACH,
                    accumulation == Accumulation.ONE_MICRO_BATCH ? 1 : 3,
                    recompute,
                    Precision.FP32,
                    clipNorm());
        }

        /** The pairs of two factors' values. */
        private Set<List<Object>> pairs() {
            List<Object> values = List.of(
                    "model " + model,
                    "mode " + mode,
                    "ranks " + worldSize,
                    "accumulation " + accumulation,
                    "clipped " + clipped,
                    "recompute " + recompute);
            Set<List<Object>> pairs = new HashSet<>();
            for (int i = 0; i < values.size(); i++) {
                for (int j = i + 1; j < values.size(); j++) {
                    pairs.add(List.of(values.get(i), values.get(j)));
                }
            }
            return pairs;
        }
    }

    /** With dropout, which depends on the sample and not on the rank that has it. */
    private static LoraConfig dropping(String... modules) {
        return new LoraConfig(
                3,
                6,
                0.1,
                ModuleSelection.suffixes(List.of(modules)),
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                List.of(),
                List.of(),
                List.of(),
                LoraConfig.Initialize.UNIFORM,
                Optional.empty());
    }

    private RankMatrix() {}

    /** Every combination that there is: a hybrid has two copies on two ranks each, and one rank alone has one mode. */
    static List<Case> whole() {
        List<Case> cases = new ArrayList<>();
        for (Model model : Model.values()) {
            for (Mode mode : Mode.values()) {
                for (int worldSize = 1; worldSize <= 4; worldSize++) {
                    boolean exists = switch (mode) {
                        case FULL_SHARD -> true;
                        case HYBRID -> worldSize == 4;
                        default -> worldSize > 1;
                    };
                    if (!exists) {
                        continue;
                    }
                    for (Accumulation accumulation : Accumulation.values()) {
                        for (boolean clipped : new boolean[] {false, true}) {
                            for (Recompute recompute : Recompute.values()) {
                                cases.add(new Case(model, mode, worldSize, accumulation, clipped, recompute));
                            }
                        }
                    }
                }
            }
        }
        return cases;
    }

    /**
     * As few as greedy choice finds in which every pair of two factors' values occurs that occurs in the whole: of cases
     * in a random but fixed order, always the one that adds the most.
     */
    static List<Case> pairwise() {
        List<Case> left = new ArrayList<>(whole());
        Collections.shuffle(left, new Random(1));
        Set<List<Object>> uncovered = new HashSet<>();
        left.forEach(one -> uncovered.addAll(one.pairs()));
        List<Case> chosen = new ArrayList<>();
        while (!uncovered.isEmpty()) {
            Case best = Collections.max(left, (a, b) -> Long.compare(adds(a, uncovered), adds(b, uncovered)));
            uncovered.removeAll(best.pairs());
            chosen.add(best);
        }
        return chosen;
    }

    private static long adds(Case one, Set<List<Object>> uncovered) {
        return one.pairs().stream().filter(uncovered::contains).count();
    }
}
