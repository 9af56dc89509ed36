// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.template.syntax.Parser;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * What a tokenizer's folder says about chat templates, in the order in which Transformers looks.
 *
 * @param withTools another template for conversations with tools, where the folder names one
 */
record ChatTemplateFiles(Source usual, Optional<Source> withTools, SpecialTokens tokens) {
    /** A template and the file that it stands in. */
    record Source(Path file, String text) {
        Parser.Parsed parsed(TemplateLimits limits) {
            try {
                return ChatTemplate.parsed(text, limits);
            } catch (TemplateException e) {
                throw invalid(file, "has a chat template that cannot be parsed: " + e.getMessage());
            }
        }
    }

    private static final ObjectMapper JSON = new ObjectMapper();

    /** A tokenizer_config.json lists every added token, and may have some hundred thousand. */
    private static final long MAX_BYTES = 1L << 28;

    private static final String DEFAULT = "default";
    private static final String TOOL_USE = "tool_use";

    static ChatTemplateFiles read(Path folder, Optional<Path> templateFile) {
        Path settingsFile = folder.resolve("tokenizer_config.json");
        JsonNode settings = Files.exists(settingsFile) ? tree(settingsFile) : MissingNode.getInstance();
        SpecialTokens tokens = SpecialTokens.of(settings);
        if (templateFile.isPresent()) {
            Path file = templateFile.get();
            return new ChatTemplateFiles(new Source(file, text(file)), Optional.empty(), tokens);
        }
        Map<String, Source> sources = inFolder(folder);
        if (sources.isEmpty()) {
            sources = inSettings(settingsFile, settings);
        }
        Source usual = sources.get(DEFAULT);
        if (usual == null) {
            throw invalid(
                    folder,
                    sources.isEmpty()
                            ? "has no chat template; must have chat_template.jinja, or chat_template in tokenizer_config.json"
                            : "has chat templates " + sources.keySet() + "; one must be named " + DEFAULT);
        }
        return new ChatTemplateFiles(usual, Optional.ofNullable(sources.get(TOOL_USE)), tokens);
    }

    private static Map<String, Source> inFolder(Path folder) {
        Map<String, Source> sources = new LinkedHashMap<>();
        add(DEFAULT, folder.resolve("chat_template.jinja"), sources);
        add(TOOL_USE, folder.resolve("additional_chat_templates").resolve(TOOL_USE + ".jinja"), sources);
        return sources;
    }

    private static void add(String name, Path file, Map<String, Source> into) {
        if (Files.exists(file)) {
            into.put(name, new Source(file, text(file)));
        }
    }

    /** A text, or a list of templates with names. */
    private static Map<String, Source> inSettings(Path file, JsonNode settings) {
        JsonNode template = settings.path("chat_template");
        Map<String, Source> sources = new LinkedHashMap<>();
        if (template.isTextual()) {
            sources.put(DEFAULT, new Source(file, template.textValue()));
        } else if (template.isArray()) {
            for (JsonNode named : template) {
                if (!named.path("name").isTextual() || !named.path("template").isTextual()) {
                    throw invalid(file, "has a chat_template that is malformed; each must have a name and a template");
                }
                sources.put(
                        named.path("name").textValue(),
                        new Source(file, named.path("template").textValue()));
            }
        } else if (!template.isMissingNode() && !template.isNull()) {
            throw invalid(file, "has a chat_template that is neither a text nor a list of them");
        }
        return sources;
    }

    private static JsonNode tree(Path file) {
        try {
            JsonNode tree = JSON.readTree(text(file));
            if (!tree.isObject()) {
                throw invalid(file, "is no JSON object");
            }
            return tree;
        } catch (JsonProcessingException e) {
            throw invalid(file, "is not JSON: " + e.getOriginalMessage());
        }
    }

    private static String text(Path file) {
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw invalid(file, "is larger than 256 MiB, which no tokenizer's settings are");
            }
            return Files.readString(file);
        } catch (CharacterCodingException e) {
            throw invalid(file, "is not valid UTF-8");
        } catch (IOException e) {
            throw invalid(file, Files.exists(file) ? "cannot be read: " + e : "does not exist");
        }
    }

    private static FaultException invalid(Path file, String problem) {
        return new FaultException(FaultCode.TOKENIZER_INVALID, file + " " + problem);
    }
}
