// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException.Reason;

/** The tokens that end a text, as a model folder names them: chat models have several. */
public final class StopTokens {
    private static final String KEY = "eos_token_id";
    private static final String GENERATION_FILE = "generation_config.json";

    private StopTokens() {}

    /**
     * The {@code eos_token_id} of generation_config.json, or of config.json where there is none; a number or a list.
     *
     * @return empty where neither file names one
     * @throws org.chorale.model.outline.InvalidModelException where it is neither
     */
    public static Set<Long> of(Path modelFolder) {
        if (Files.exists(modelFolder.resolve(GENERATION_FILE))) {
            Set<Long> stops = read(ConfigJson.read(modelFolder, GENERATION_FILE, ""));
            if (!stops.isEmpty()) {
                return stops;
            }
        }
        return read(ConfigJson.read(modelFolder));
    }

    private static Set<Long> read(ConfigJson json) {
        Set<Long> stops = new LinkedHashSet<>();
        if (!json.has(KEY)) {
            return stops;
        }
        JsonNode named = json.root().get(KEY);
        Iterable<JsonNode> ids = named.isArray() ? named : Set.of(named);
        for (JsonNode id : ids) {
            if (!id.isIntegralNumber() || !id.canConvertToLong() || id.longValue() < 0) {
                json.problem("%s = %s: must be a token's id, or a list of them".formatted(KEY, named));
                json.throwProblems(Reason.MISMATCH);
            }
            stops.add(id.longValue());
        }
        return stops;
    }
}
