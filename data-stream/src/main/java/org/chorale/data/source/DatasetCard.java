// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.google.re2j.PatternSyntaxException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/** The front matter of a data set's {@code README.md}, as far as it says which files are what. */
final class DatasetCard {
    private static final String FENCE = "---";
    private static final int MAX_CHARS = 4 << 20;

    /**
     * A subset ({@code config_name}).
     *
     * @param folder where its files are, with a slash at its end; empty for all of the data set's folder
     * @param files globs by split; empty where the names of files tell the splits
     */
    record Subset(String name, boolean isDefault, String folder, Map<String, List<String>> files) {}

    private final SourceSettings source;

    private DatasetCard(SourceSettings source) {
        this.source = source;
    }

    /** The subsets that a folder's card names; none where it has no card, or one that says nothing of files. */
    static List<Subset> read(SourceSettings source) throws IOException {
        Path card = source.path().resolve("README.md");
        if (!Files.isRegularFile(card)) { // where it is a link, it has been allowed
            return List.of();
        }
        return new DatasetCard(source).subsets(frontMatter(card));
    }

    private static String frontMatter(Path card) throws IOException {
        StringBuilder yaml = new StringBuilder();
        try (BufferedReader lines = Files.newBufferedReader(card)) {
            String line = lines.readLine();
            if (line == null || !line.strip().equals(FENCE)) {
                return "";
            }
            for (line = lines.readLine(); line != null && !line.strip().equals(FENCE); line = lines.readLine()) {
                yaml.append(line).append('\n');
                if (yaml.length() > MAX_CHARS) {
                    throw new IOException("its front matter is longer than 4 MiB");
                }
            }
            return line == null ? "" : yaml.toString();
        } catch (CharacterCodingException e) {
            throw new IOException("README.md is not valid UTF-8", e);
        }
    }

    private List<Subset> subsets(String yaml) {
        LoadSettings settings = LoadSettings.builder()
                .setLabel("README.md")
                .setMaxAliasesForCollections(20)
                .build();
        Object front;
        try {
            front = new Load(settings).loadFromString(yaml);
        } catch (YamlEngineException | StackOverflowError e) {
            throw refused("front matter is no YAML: " + e.getMessage());
        }
        List<Subset> subsets = new ArrayList<>();
        for (Object config : list(get(front, "configs"))) {
            subsets.add(subset(config));
        }
        return subsets;
    }

    private Subset subset(Object config) {
        Object folder = get(config, "data_dir");
        Map<String, List<String>> files = new LinkedHashMap<>();
        for (Object entry : list(get(config, "data_files"))) {
            boolean plain = entry instanceof String;
            Object split = plain ? "train" : get(entry, "split");
            List<String> globs = files.computeIfAbsent(text("split", split), name -> new ArrayList<>());
            for (Object glob : list(plain ? entry : get(entry, "path"))) {
                globs.add(inside("path", glob));
            }
        }
        return new Subset(
                get(config, "config_name") == null ? "default" : text("config_name", get(config, "config_name")),
                Boolean.TRUE.equals(get(config, "default")),
                folder == null ? "" : inside("data_dir", folder).replaceAll("/*$", "/"),
                files);
    }

    /** A glob that cannot leave the data set's folder, because only names of its files are held against it. */
    private String inside(String field, Object glob) {
        String pattern = text(field, glob).replaceFirst("^(\\./)+", "");
        if (pattern.contains("://") || pattern.startsWith("/") || ("/" + pattern + "/").contains("/../")) {
            throw refused("%s %s is outside of its folder; must be a file in it".formatted(field, pattern));
        }
        try {
            FileGlob.of(pattern);
        } catch (PatternSyntaxException e) {
            throw refused("%s %s is no glob: %s".formatted(field, pattern, e.getMessage()));
        }
        return pattern;
    }

    private String text(String field, @Nullable Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw refused("configs have a %s that is %s; must be a text".formatted(field, value));
    }

    private static List<?> list(@Nullable Object value) {
        return value instanceof List<?> list ? list : value == null ? List.of() : List.of(value);
    }

    private static @Nullable Object get(@Nullable Object mapping, String key) {
        return mapping instanceof Map<?, ?> map ? map.get(key) : null;
    }

    private RuntimeException refused(String problem) {
        return SourceFiles.refused(source, "README.md: " + problem);
    }
}
