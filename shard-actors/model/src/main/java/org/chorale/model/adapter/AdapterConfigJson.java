// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.model.outline.NamePattern;

/**
 * PEFT's {@code adapter_config.json}, as its release 0.21 writes it. What Chorale does not do is refused by name, unless
 * it is switched off; whatever else stands there is kept when the file is written again.
 */
final class AdapterConfigJson {
    static final String NAME = "adapter_config.json";

    /** Every field that PEFT 0.21 writes, with the value that it has where nobody set it. */
    private static final ObjectNode DEFAULTS = defaults();

    private static final Set<String> INTERPRETED = Set.of(
            "peft_type",
            "task_type",
            "r",
            "lora_alpha",
            "lora_dropout",
            "target_modules",
            "exclude_modules",
            "rank_pattern",
            "alpha_pattern",
            "use_rslora",
            "use_dora",
            "modules_to_save",
            "layers_to_transform",
            "layers_pattern",
            "init_lora_weights",
            "target_parameters",
            "bias",
            "fan_in_fan_out");

    /** What others may need to find the base or to make more adapters like this one; nothing is computed by it. */
    private static final Set<String> NOTES = Set.of(
            "auto_mapping",
            "base_model_name_or_path",
            "inference_mode",
            "megatron_core",
            "peft_version",
            "qalora_group_size",
            "revision",
            "runtime_config");

    private static final String INITIALIZE = "init_lora_weights";
    private static final String PARAMETERS = "target_parameters";
    private static final String PISSA_ITERATIONS = "pissa_niter_";
    private static final String ALPHA = "lora_alpha";
    private static final int MAX_LAYER = 1_000_000;
    private static final int MAX_NAMED = 20;

    private final ConfigJson json;
    private final ObjectNode root;

    private AdapterConfigJson(ConfigJson json) {
        this.json = json;
        this.root = (ObjectNode) json.root();
    }

    /** The file of an adapter that PEFT or we have written. */
    static AdapterConfigJson read(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new UncheckedIOException(new NoSuchFileException(
                    folder.toString(), null, "is not a folder; an adapter's folder has " + NAME));
        }
        refuseTree(folder);
        return new AdapterConfigJson(ConfigJson.read(folder, NAME, "a PEFT adapter's folder has an " + NAME));
    }

    /** Of several adapters one must be named. */
    private static void refuseTree(Path folder) {
        if (Files.exists(folder.resolve(NAME))) {
            return;
        }
        try (Stream<Path> entries = Files.list(folder)) {
            List<String> names = entries.filter(entry -> Files.exists(entry.resolve(NAME)))
                    .limit(MAX_NAMED)
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList();
            if (!names.isEmpty()) {
                throw new UncheckedIOException(new NoSuchFileException(
                        folder.resolve(NAME).toString(),
                        null,
                        "the folder has adapters in sub-folders; name one of " + String.join(", ", names)
                                + " (model.adapter.name, or its own path)"));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    ObjectNode root() {
        return root;
    }

    /** {@code base_model_name_or_path}; empty where it is null. */
    Optional<String> base() {
        String named = json.text("base_model_name_or_path", "");
        json.throwProblems(Reason.MISMATCH);
        return Optional.of(named).filter(name -> !name.isEmpty());
    }

    /** @throws InvalidModelException with every problem, a line each */
    LoraConfig config() {
        refuseWhatIsNotSupported();
        int rank = (int) json.count("r", LoraConfig.MAX_RANK, DEFAULTS.get("r").intValue());
        double alpha = json.positive(ALPHA, DEFAULTS.get(ALPHA).doubleValue());
        double dropout = dropout();
        ModuleSelection targets = selection("target_modules", true);
        ModuleSelection excludes = selection("exclude_modules", false);
        Map<String, Integer> ranks = numbers("rank_pattern", JsonNode::isIntegralNumber, JsonNode::intValue);
        Map<String, Double> alphas = numbers("alpha_pattern", JsonNode::isNumber, JsonNode::doubleValue);
        boolean rslora = json.flag("use_rslora", false);
        boolean dora = json.flag("use_dora", false);
        List<String> saved = texts("modules_to_save");
        List<Integer> layers = layers();
        List<String> layersPattern = expressions("layers_pattern");
        json.throwProblems(Reason.MISMATCH);
        try {
            return new LoraConfig(
                    rank,
                    alpha,
                    dropout,
                    targets,
                    excludes,
                    ranks,
                    alphas,
                    rslora,
                    dora,
                    saved,
                    layers,
                    layersPattern,
                    initialize(),
                    Optional.empty());
        } catch (IllegalArgumentException e) {
            throw new InvalidModelException(Reason.MISMATCH, json.file(), String.valueOf(e.getMessage()));
        }
    }

    private Initialize initialize() {
        return switch (root.path(INITIALIZE).asText()) {
            case "gaussian" -> Initialize.GAUSSIAN;
            case "pissa" -> Initialize.PISSA;
            default -> Initialize.UNIFORM;
        };
    }

    /**
     * The object for a new adapter: PEFT's defaults, and what was chosen.
     *
     * @param base as the user named the folder of the model
     * @param targetModules what {@link ModuleSelection#ALL_LINEAR} stands for in this model
     */
    static ObjectNode of(LoraConfig config, Path base, List<String> targetModules) {
        ObjectNode root = DEFAULTS.deepCopy();
        root.put("base_model_name_or_path", base.toString());
        root.put("r", config.rank());
        putNumber(root, ALPHA, config.alpha());
        root.put("lora_dropout", config.dropout());
        root.put("use_rslora", config.rslora());
        root.put("use_dora", config.dora());
        root.set("target_modules", selection(config.targets(), targetModules));
        if (!config.excludes().equals(ModuleSelection.NOTHING)) {
            root.set("exclude_modules", selection(config.excludes(), List.of()));
        }
        config.rankPattern().forEach(root.withObject("/rank_pattern")::put);
        config.alphaPattern().forEach((key, alpha) -> putNumber(root.withObject("/alpha_pattern"), key, alpha));
        putTexts(root, "modules_to_save", config.modulesToSave());
        putTexts(root, "layers_pattern", config.layersPattern());
        if (!config.layersToTransform().isEmpty()) {
            ArrayNode layers = root.putArray("layers_to_transform");
            config.layersToTransform().forEach(layers::add);
        }
        switch (config.initialize()) {
            case GAUSSIAN -> root.put(INITIALIZE, "gaussian");
            case PISSA ->
                root.put(
                        INITIALIZE,
                        config.pissaIterations().map(n -> PISSA_ITERATIONS + n).orElse("pissa"));
            case UNIFORM -> {}
        }
        return root;
    }

    /**
     * What an adapter on the rests of weights becomes that is to stand on the weights themselves, as PEFT converts it: of
     * twice the rank, and of the scale that it had.
     */
    static ObjectNode onWholeWeights(ObjectNode root, boolean rslora) {
        double factor = rslora ? Math.sqrt(2) : 2;
        ObjectNode converted = root.deepCopy().put(INITIALIZE, true);
        converted.put("r", 2 * root.path("r").asInt(DEFAULTS.get("r").intValue()));
        putNumber(
                converted,
                ALPHA,
                factor * root.path(ALPHA).asDouble(DEFAULTS.get(ALPHA).doubleValue()));
        root.path("rank_pattern")
                .properties()
                .forEach(entry -> converted
                        .withObject("/rank_pattern")
                        .put(entry.getKey(), 2 * entry.getValue().asInt()));
        root.path("alpha_pattern")
                .properties()
                .forEach(entry -> putNumber(
                        converted.withObject("/alpha_pattern"),
                        entry.getKey(),
                        factor * entry.getValue().asDouble()));
        return converted;
    }

    private void refuseWhatIsNotSupported() {
        requireOneOf("peft_type", true, "LORA");
        requireOneOf("task_type", false, "CAUSAL_LM");
        requireOneOf("bias", false, "none");
        refuseInitialize();
        refuseParameters();
        root.properties().stream()
                .filter(field -> !INTERPRETED.contains(field.getKey()) && !NOTES.contains(field.getKey()))
                .filter(field -> !isOff(field.getValue()) && !field.getValue().equals(DEFAULTS.get(field.getKey())))
                .forEach(field ->
                        json.problem("%s = %s: is not supported".formatted(field.getKey(), shown(field.getValue()))));
        if (json.flag("fan_in_fan_out", false)) {
            json.problem("fan_in_fan_out = true: is not supported; the linears of this model are stored as [out, in]");
        }
        json.throwProblems(Reason.UNSUPPORTED);
    }

    /** PEFT's way to adapt stacked experts. Gate and up share an A there, which those of linears of their own do not. */
    private void refuseParameters() {
        if (!isOff(root.path(PARAMETERS)) && json.has(PARAMETERS)) {
            json.problem(("%s = %s: adapters of stacked experts are not supported; those of each expert's linears are,"
                            + " which target_modules names, such as w1, w2 and w3, or gate_proj, up_proj and down_proj")
                    .formatted(PARAMETERS, shown(root.path(PARAMETERS))));
        }
    }

    private void refuseInitialize() {
        JsonNode value = root.path(INITIALIZE);
        if (value.asText().startsWith(PISSA_ITERATIONS)) {
            json.problem(
                    ("%s = %s: the weights that it stands on were made with random numbers that nobody has any more;"
                                    + " save it with path_initial_model_for_weight_conversion")
                            .formatted(INITIALIZE, shown(value)));
        } else if (!value.isBoolean()
                && json.has(INITIALIZE)
                && !Set.of("gaussian", "pissa").contains(value.asText())) {
            json.problem("%s = %s: only true, gaussian and pissa are supported".formatted(INITIALIZE, shown(value)));
        }
    }

    private void requireOneOf(String field, boolean needed, String only) {
        JsonNode value = root.path(field);
        boolean absent = value.isMissingNode() || value.isNull();
        if (absent ? needed : !value.asText().equals(only)) {
            json.problem("%s = %s: only %s is supported".formatted(field, absent ? "null" : shown(value), only));
        }
    }

    private double dropout() {
        JsonNode value = root.path("lora_dropout");
        if (!json.has("lora_dropout")) {
            return 0;
        }
        if (!value.isNumber() || !(value.doubleValue() >= 0 && value.doubleValue() < 1)) {
            json.problem("lora_dropout = %s: must be a number from 0 to below 1".formatted(shown(value)));
        }
        return value.doubleValue();
    }

    /** A text is a regular expression, or stands for all linears; a list has the ends of names. */
    private ModuleSelection selection(String field, boolean needed) {
        JsonNode value = root.path(field);
        if (value.isTextual() && value.textValue().equalsIgnoreCase(ModuleSelection.EVERY_LINEAR) && needed) {
            return ModuleSelection.ALL_LINEAR;
        } else if (value.isTextual()) {
            List<String> valid = expressions(field);
            return valid.isEmpty()
                    ? ModuleSelection.NOTHING
                    : ModuleSelection.matching(NamePattern.regex(valid.get(0)));
        }
        if (needed && (!value.isArray() || value.isEmpty())) {
            json.problem("%s = %s: must be a list of names, a regular expression or %s"
                    .formatted(field, shown(value), ModuleSelection.EVERY_LINEAR));
        }
        return ModuleSelection.suffixes(texts(field));
    }

    /** A text, or a list of texts, each a regular expression. */
    private List<String> expressions(String field) {
        JsonNode value = root.path(field);
        List<String> expressions = value.isTextual() ? List.of(value.textValue()) : texts(field);
        for (String expression : expressions) {
            try {
                NamePattern.regex(expression);
            } catch (IllegalArgumentException e) {
                json.problem(field + " = " + e.getMessage());
                return List.of();
            }
        }
        return expressions;
    }

    private List<String> texts(String field) {
        JsonNode value = root.path(field);
        List<String> texts = new ArrayList<>();
        value.forEach(element -> texts.add(element.asText()));
        boolean isList = value.isArray()
                && allMatch(value, node -> node.isTextual() && !node.asText().isEmpty());
        if (json.has(field) && !isList) {
            json.problem("%s = %s: must be a list of names".formatted(field, shown(value)));
            return List.of();
        }
        return texts;
    }

    private List<Integer> layers() {
        JsonNode value = root.path("layers_to_transform");
        if (!json.has("layers_to_transform")) {
            return List.of();
        }
        if (isLayer(value)) {
            return List.of(value.intValue());
        }
        List<Integer> layers = new ArrayList<>();
        value.forEach(element -> layers.add(element.intValue()));
        if (!value.isArray() || !allMatch(value, AdapterConfigJson::isLayer)) {
            json.problem("layers_to_transform = %s: must be a whole number from 0, or a list of them"
                    .formatted(shown(value)));
        }
        return layers;
    }

    private <V> Map<String, V> numbers(
            String field, Function<JsonNode, Boolean> isNumber, Function<JsonNode, V> number) {
        JsonNode value = root.path(field);
        Map<String, V> numbers = new LinkedHashMap<>();
        if (!json.has(field)) {
            return numbers;
        }
        if (!value.isObject() || !allMatch(value, isNumber)) {
            json.problem("%s = %s: must be an object of names and numbers".formatted(field, shown(value)));
            return numbers;
        }
        value.properties().forEach(entry -> numbers.put(entry.getKey(), number.apply(entry.getValue())));
        return numbers;
    }

    private static boolean isLayer(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToInt() && node.intValue() >= 0 && node.intValue() < MAX_LAYER;
    }

    private static boolean allMatch(JsonNode array, Function<JsonNode, Boolean> rule) {
        for (JsonNode element : array) {
            if (!rule.apply(element)) {
                return false;
            }
        }
        return true;
    }

    private static boolean isOff(JsonNode value) {
        return value.isNull() || value.equals(BooleanNode.FALSE) || (value.isContainerNode() && value.isEmpty());
    }

    private static String shown(JsonNode value) {
        String text = value.isMissingNode() ? "nothing" : value.toString();
        return text.length() > 100 ? text.substring(0, 100) + "…" : text;
    }

    private static JsonNode selection(ModuleSelection selection, List<String> allLinear) {
        ObjectNode holder = DEFAULTS.objectNode();
        if (selection.pattern() != null) {
            return holder.textNode(selection.pattern().toString());
        }
        putTexts(
                holder,
                "names",
                new ArrayList<>(new TreeSet<>(selection.allLinear() ? allLinear : selection.suffixes())));
        return holder.get("names");
    }

    private static void putTexts(ObjectNode node, String field, List<String> texts) {
        if (!texts.isEmpty()) {
            ArrayNode array = node.putArray(field);
            texts.forEach(array::add);
        }
    }

    /** A whole number without a fraction, as PEFT's users write it. */
    private static void putNumber(ObjectNode node, String field, double number) {
        if (number == Math.rint(number) && Math.abs(number) < Integer.MAX_VALUE) {
            node.put(field, (int) number);
        } else {
            node.put(field, number);
        }
    }

    private static ObjectNode defaults() {
        try (InputStream file =
                Objects.requireNonNull(AdapterConfigJson.class.getResourceAsStream("adapter-config-defaults.json"))) {
            return (ObjectNode) new JsonMapper().readTree(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
