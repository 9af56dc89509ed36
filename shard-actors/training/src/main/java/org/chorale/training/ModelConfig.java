// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;

/**
 * The keys below {@code model}.
 *
 * @param path the model folder
 * @param adapter what is trained beside, or in the place of, the model's own parameters
 * @param freeze globs over parameter names: what is not trained
 * @param trainOnly globs over parameter names: what alone is trained, where there are any
 * @param initialize where first weights come from
 * @param resizeEmbeddings rows of embedding and head; where empty, those of the model
 * @param recompute what a block drops and computes again
 */
public record ModelConfig(
        Path path,
        AdapterConfig adapter,
        List<String> freeze,
        List<String> trainOnly,
        Initialize initialize,
        Optional<Integer> resizeEmbeddings,
        RecomputePolicy recompute) {
    private static final int MAX_ROWS = 1 << 24;

    /** Where first weights come from. */
    public enum Initialize {
        PRETRAINED,
        RANDOM
    }

    /** The keys that count for a user's own model too. */
    public record Freezes(List<String> freeze, List<String> trainOnly) {
        public Freezes {
            List<String> problems = new ArrayList<>();
            freeze.forEach(glob -> checkGlob("model.freeze", glob, problems));
            trainOnly.forEach(glob -> checkGlob("model.train-only", glob, problems));
            if (!problems.isEmpty()) {
                throw new IllegalArgumentException(String.join("\n", problems));
            }
        }

        /** What the globs say. */
        public Freezing freezing() {
            return new Freezing(globs(freeze), globs(trainOnly));
        }
    }

    public ModelConfig {
        List<String> problems = new ArrayList<>();
        try {
            adapter.check();
        } catch (IllegalArgumentException e) {
            problems.add(String.valueOf(e.getMessage()));
        }
        if (path.toString().isBlank()) {
            problems.add("model.path is empty: give a folder with config.json");
        }
        freeze.forEach(glob -> checkGlob("model.freeze", glob, problems));
        trainOnly.forEach(glob -> checkGlob("model.train-only", glob, problems));
        resizeEmbeddings
                .filter(rows -> rows < 1 || rows > MAX_ROWS)
                .ifPresent(rows -> problems.add(
                        "model.resize-embeddings = %d: must be a whole number from 1 to %d".formatted(rows, MAX_ROWS)));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Opens the folder that this names, with its adapter, and with what the seed draws. */
    public ModelFolder open(long seed) {
        ModelFolder folder =
                initialize == Initialize.RANDOM ? ModelFolder.random(path, seed) : ModelFolder.pretrained(path);
        ModelFolder sized = resizeEmbeddings.isPresent() ? folder.resized(resizeEmbeddings.get()) : folder;
        return adapted(sized, seed).with(new Freezes(freeze, trainOnly).freezing());
    }

    private ModelFolder adapted(ModelFolder folder, long seed) {
        if (adapter.type() == AdapterConfig.Type.NONE) {
            return folder;
        }
        return adapter.path()
                .map(path -> folder.adapted(adapter.in(path)))
                .orElseGet(() -> folder.adapted(adapter.lora(), seed));
    }

    private static List<NamePattern> globs(List<String> globs) {
        return globs.stream().map(NamePattern::glob).toList();
    }

    private static void checkGlob(String key, String glob, List<String> problems) {
        try {
            NamePattern.glob(glob);
        } catch (IllegalArgumentException e) {
            problems.add(key + " = " + e.getMessage());
        }
    }
}
