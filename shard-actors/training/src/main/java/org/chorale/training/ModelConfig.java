// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.chorale.model.ModelFolder;

/**
 * The keys below {@code model}.
 *
 * @param path the model folder
 * @param adapter only {@code none} so far
 * @param initialize where first weights come from
 * @param recompute what a block keeps for its backward
 */
public record ModelConfig(Path path, String adapter, Initialize initialize, Recompute recompute) {
    /** Where first weights come from. */
    public enum Initialize {
        PRETRAINED,
        RANDOM
    }

    /** What a block keeps for its backward: all of it, or its input alone. */
    public enum Recompute {
        NONE,
        FULL
    }

    public ModelConfig {
        List<String> problems = new ArrayList<>();
        if (!adapter.equals("none")) {
            problems.add("model.adapter = " + adapter + ": adapters are not supported yet; must be none");
        }
        if (path.toString().isBlank()) {
            problems.add("model.path is empty: give a folder with config.json");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Opens the folder that this names. */
    public ModelFolder open(long seed) {
        return initialize == Initialize.RANDOM ? ModelFolder.random(path, seed) : ModelFolder.pretrained(path);
    }
}
