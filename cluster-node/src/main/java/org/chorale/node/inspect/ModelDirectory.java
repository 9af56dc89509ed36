// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.chorale.model.family.Families;
import org.chorale.model.outline.ConfigJson;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.SafetensorsHeader;

/**
 * A model folder: config.json, and the weights if there are any.
 *
 * @param config config.json as it stands
 * @param headers of the safetensors files
 */
record ModelDirectory(Path folder, JsonNode config, Collection<SafetensorsHeader> headers) implements Description {
    private static final List<String> WEIGHTS = List.of("model.safetensors", "model.safetensors.index.json");
    private static final List<String> SHOWN = List.of(
            "architectures",
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "max_position_embeddings");

    static ModelDirectory read(Path folder) {
        JsonNode config = ConfigJson.read(folder).root();
        if (WEIGHTS.stream().noneMatch(name -> Files.exists(folder.resolve(name)))) {
            return new ModelDirectory(folder, config, List.of());
        }
        try (ModelFiles files = ModelFiles.open(folder)) {
            return new ModelDirectory(folder, config, List.copyOf(files.headers()));
        }
    }

    @Override
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(Layout.field("model folder", folder));
        lines.add(Layout.field("family", config.path("model_type").asText("not named")));
        if (!isTrainable()) {
            lines.add(Layout.field(
                    "", "this release does not train this family; it trains " + String.join(", ", Families.names())));
        }
        SHOWN.stream().filter(config::has).forEach(name -> lines.add(Layout.detail(name, config.get(name))));
        lines.add(Layout.field("tokenizer", hasTokenizer() ? "tokenizer.json" : "none"));
        if (headers.isEmpty()) {
            lines.add(Layout.field("weights", "none; model.initialize = random draws them"));
        } else {
            lines.add(Layout.field("weights", headers.size() + (headers.size() == 1 ? " file" : " files")));
            lines.addAll(TensorFile.totals(headers));
            headers.forEach(header -> header.entries().forEach(entry -> lines.add(TensorFile.line(entry))));
        }
        return lines;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("kind", "model")
                .put("path", folder.toString())
                .put("trainable", isTrainable())
                .put("tokenizer", hasTokenizer());
        json.set("config", config);
        headers.forEach(header -> json.withArray("files").add(header.file().toString()));
        TensorFile.putTensors(json, headers);
        return json;
    }

    /** Whether the family is one of this release's; what else config.json says is not looked at. */
    private boolean isTrainable() {
        return Families.names().contains(config.path("model_type").asText());
    }

    private boolean hasTokenizer() {
        return Files.exists(folder.resolve("tokenizer.json"));
    }
}
