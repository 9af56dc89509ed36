// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.chorale.model.adapter.AdapterSource;
import org.chorale.model.outline.ConfigJson;
import org.chorale.tensor.safetensors.SafetensorsHeader;

/**
 * A folder of PEFT adapters: one in itself, others in sub-folders that bear their names.
 *
 * @param adapters by name; that in the folder itself is called default, as PEFT calls it
 */
record AdapterDirectory(Path folder, Map<String, Adapter> adapters) implements Description {
    private static final String DEFAULT = "default";
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";

    /** More sub-folders than this are something else. */
    private static final int MAX_ADAPTERS = 1000;

    private static final List<String> SHOWN = List.of(
            "base_model_name_or_path",
            "r",
            "lora_alpha",
            "use_rslora",
            "use_dora",
            "init_lora_weights",
            "target_modules",
            "modules_to_save");

    /**
     * One of them.
     *
     * @param config adapter_config.json as it stands
     * @param weights empty where the file is missing
     */
    record Adapter(Path folder, JsonNode config, Optional<SafetensorsHeader> weights) {
        static Adapter read(Path folder) {
            Path weights = folder.resolve(WEIGHTS);
            return new Adapter(
                    folder,
                    ConfigJson.read(folder, CONFIG, "a PEFT adapter's folder has an " + CONFIG)
                            .root(),
                    Files.exists(weights) ? Optional.of(SafetensorsHeader.read(weights)) : Optional.empty());
        }

        ObjectNode json() {
            ObjectNode json = JsonNodeFactory.instance.objectNode().put("path", folder.toString());
            json.set("config", config);
            weights.ifPresent(header -> TensorFile.putTensors(json, List.of(header)));
            return json;
        }
    }

    /** Whether a folder is an adapter's, or has sub-folders that are. */
    static boolean isAt(Path folder) {
        return AdapterSource.isIn(folder) || !named(folder).isEmpty();
    }

    static AdapterDirectory read(Path folder) {
        Map<String, Adapter> adapters = new TreeMap<>();
        if (AdapterSource.isIn(folder)) {
            adapters.put(DEFAULT, Adapter.read(folder));
        }
        named(folder).forEach(own -> adapters.put(own.getFileName().toString(), Adapter.read(own)));
        return new AdapterDirectory(folder, adapters);
    }

    private static List<Path> named(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(AdapterSource::isIn)
                    .limit(MAX_ADAPTERS)
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(Layout.field("adapters", folder));
        adapters.forEach((name, adapter) -> {
            lines.add(Layout.field("adapter", name));
            SHOWN.stream()
                    .filter(adapter.config::hasNonNull)
                    .forEach(field -> lines.add(Layout.detail(field, adapter.config.get(field))));
            adapter.weights.ifPresentOrElse(
                    header -> {
                        lines.addAll(TensorFile.totals(List.of(header)));
                        header.entries().forEach(entry -> lines.add(TensorFile.line(entry)));
                    },
                    () -> lines.add(Layout.field("weights", "none; " + WEIGHTS + " is missing")));
        });
        return lines;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json =
                JsonNodeFactory.instance.objectNode().put("kind", "adapters").put("path", folder.toString());
        ObjectNode all = json.putObject("adapters");
        adapters.forEach((name, adapter) -> all.set(name, adapter.json()));
        return json;
    }
}
