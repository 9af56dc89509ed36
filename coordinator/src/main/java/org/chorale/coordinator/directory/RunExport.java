// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import com.typesafe.config.Config;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The result of a run. Which files it has follows from the configuration: a model folder, an adapter's as PEFT has it, or
 * the weights alone of a user's own model.
 *
 * @param folder where the result's own files are: of an adapter with a name, its sub-folder
 */
record RunExport(Path folder, Kind kind) {
    private enum Kind {
        MODEL,
        ADAPTER,
        WEIGHTS
    }

    private static final String MODEL_TYPE = "pipeline.model.type";
    private static final String ADAPTER_TYPE = "model.adapter.type";
    private static final String ADAPTER_NAME = "model.adapter.name";
    private static final String NO_ADAPTER = "none";
    private static final String UNNAMED = "default"; // PEFT's name of the adapter in the folder itself

    /**
     * What a run exports.
     *
     * @param whole the folder of everything that it exports
     * @param conf the run's
     */
    static RunExport of(Path whole, Config conf) {
        if (conf.hasPath(MODEL_TYPE)) {
            return new RunExport(whole, Kind.WEIGHTS);
        } else if (!conf.hasPath(ADAPTER_TYPE) || conf.getString(ADAPTER_TYPE).equals(NO_ADAPTER)) {
            return new RunExport(whole, Kind.MODEL);
        }
        String name = conf.hasPath(ADAPTER_NAME) ? conf.getString(ADAPTER_NAME) : UNNAMED;
        return new RunExport(name.equals(UNNAMED) ? whole : whole.resolve(name), Kind.ADAPTER);
    }

    /** Whether its files are there, all of which are written before any is seen; else it is made again. */
    boolean isWhole() {
        return switch (kind) {
            case MODEL -> has("config.json") && hasWeights();
            case ADAPTER -> has("adapter_config.json") && has("adapter_model.safetensors");
            case WEIGHTS -> hasWeights();
        };
    }

    /** What another run sets to go on from it; empty where no key does. */
    String keyToGoOn() {
        return switch (kind) {
            case MODEL -> "model.path = " + folder;
            case ADAPTER -> "model.adapter.path = " + folder;
            case WEIGHTS -> "";
        };
    }

    private boolean hasWeights() {
        return Stream.of("model.safetensors", "model.safetensors.index.json").anyMatch(this::has);
    }

    private boolean has(String file) {
        return Files.isRegularFile(folder.resolve(file));
    }
}
