// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.chorale.model.outline.InvalidModelException.Reason;

/**
 * A JSON object from anywhere, such as a config.json: nothing in it is believed before it is checked, and every problem
 * is reported at once.
 */
public final class ConfigJson {
    /** The largest config.json that is read; real ones have a few kilobytes. */
    private static final long MAX_BYTES = 16 << 20;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(64)
                            .maxStringLength((int) MAX_BYTES)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .build();

    private final Path file;
    private final JsonNode root;
    private final List<String> problems = new ArrayList<>();
    private final List<String> unsupported = new ArrayList<>();

    private ConfigJson(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    /**
     * Reads {@code config.json} of a model folder.
     *
     * @throws UncheckedIOException where there is none
     * @throws InvalidModelException where it is no JSON object
     */
    public static ConfigJson read(Path folder) {
        return read(folder, "config.json", "a model folder has a config.json");
    }

    /**
     * Reads another JSON object of a folder.
     *
     * @param expectation why there should be such a file, for the message that says that there is none
     * @throws UncheckedIOException where there is none
     * @throws InvalidModelException where it is no JSON object
     */
    public static ConfigJson read(Path folder, String name, String expectation) {
        Path file = folder.resolve(name);
        try {
            if (!Files.isDirectory(folder)) {
                throw new NoSuchFileException(folder.toString(), null, "is not a folder; " + expectation);
            }
            if (Files.notExists(file)) {
                throw new NoSuchFileException(file.toString(), null, expectation);
            }
            if (Files.size(file) > MAX_BYTES) {
                throw new InvalidModelException(Reason.MALFORMED, file, "is larger than " + MAX_BYTES + " bytes");
            }
            JsonNode root = MAPPER.readTree(file.toFile());
            if (!root.isObject()) {
                throw new InvalidModelException(Reason.MALFORMED, file, "must hold a JSON object");
            }
            return new ConfigJson(file, root);
        } catch (JsonProcessingException e) {
            throw new InvalidModelException(Reason.MALFORMED, file, "is not JSON: " + reason(e) + at(e));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Jackson tells where an open object began by a source that it then does not show. */
    private static String reason(JsonProcessingException e) {
        return e.getOriginalMessage().replaceAll(" \\(start marker at \\[Source: .*", "");
    }

    private static String at(JsonProcessingException e) {
        JsonLocation location = e.getLocation();
        return location == null ? "" : " (line %d, column %d)".formatted(location.getLineNr(), location.getColumnNr());
    }

    /** The file that this was read from. */
    public Path file() {
        return file;
    }

    /** The whole object, for those who copy it. */
    public JsonNode root() {
        return root;
    }

    /** A nested object, reported under the same file; empty where there is none. */
    public ConfigJson object(String key) {
        JsonNode node = root.path(key);
        return new ConfigJson(file, node.isObject() ? node : MAPPER.createObjectNode());
    }

    /** Whether the key is there and not null. */
    public boolean has(String key) {
        return root.hasNonNull(key);
    }

    /** A whole number from 1 to {@code most}. */
    public long count(String key, long most) {
        if (!has(key)) {
            problem(key + " is missing: must be a whole number from 1 to " + most);
            return 1;
        }
        return count(key, most, 1);
    }

    /** A whole number from 1 to {@code most}, or the default. */
    public long count(String key, long most, long otherwise) {
        JsonNode node = root.path(key);
        if (!has(key)) {
            return otherwise;
        }
        if (!node.isIntegralNumber() || !node.canConvertToLong() || node.longValue() < 1 || node.longValue() > most) {
            problem("%s = %s: must be a whole number from 1 to %d".formatted(key, node, most));
            return otherwise;
        }
        return node.longValue();
    }

    /** A finite number above zero, or the default. */
    public double positive(String key, double otherwise) {
        JsonNode node = root.path(key);
        if (!has(key)) {
            return otherwise;
        }
        if (!node.isNumber() || !(node.doubleValue() > 0) || Double.isInfinite(node.doubleValue())) {
            problem("%s = %s: must be a number above 0".formatted(key, node));
            return otherwise;
        }
        return node.doubleValue();
    }

    /** true or false, or the default. */
    public boolean flag(String key, boolean otherwise) {
        JsonNode node = root.path(key);
        if (has(key) && !node.isBoolean()) {
            problem("%s = %s: must be true or false".formatted(key, node));
        }
        return node.asBoolean(otherwise);
    }

    /** A text, or the default. */
    public String text(String key, String otherwise) {
        JsonNode node = root.path(key);
        if (has(key) && !node.isTextual()) {
            problem("%s = %s: must be a text".formatted(key, node));
        }
        return node.asText(otherwise).equals("null") ? otherwise : node.asText(otherwise);
    }

    /** Notes something that no single key shows. */
    public void problem(String problem) {
        problems.add(problem);
    }

    /** Notes something that is right, but that nothing here computes. */
    public void unsupported(String what) {
        unsupported.add(what);
    }

    /** Notes what a nested object has noted. */
    public void problemsOf(ConfigJson nested) {
        problems.addAll(nested.problems);
        unsupported.addAll(nested.unsupported);
    }

    /** @throws InvalidModelException with every problem noted so far, a line each */
    public void throwProblems(Reason reason) {
        throwAll(problems, reason);
    }

    /** @throws InvalidModelException with everything noted so far that is not supported, a line each */
    public void throwUnsupported() {
        throwAll(unsupported, Reason.UNSUPPORTED);
    }

    private void throwAll(List<String> lines, Reason reason) {
        if (!lines.isEmpty()) {
            throw new InvalidModelException(reason, file, String.join("\n" + file + ": ", lines));
        }
    }
}
