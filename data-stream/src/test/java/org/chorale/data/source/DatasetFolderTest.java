// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DatasetFolderTest {
    private static final String CARD = """
            ---
            license: mit
            configs:
            - config_name: en
              default: true
              data_files:
              - split: train
                path: ["en/train-*.parquet", "en/more.parquet"]
              - split: test
                path: en/held-out.parquet
            - config_name: fr
              data_files: fr/*.parquet
            - config_name: by-names
              data_dir: names
            ---
            # A data set
            """;

    @TempDir
    Path folder;

    @Test
    void shardsAreTheSplitThatTheyAreNamedAfter() throws IOException {
        touch("data/train-00001-of-00002.parquet", "data/train-00000-of-00002.parquet");
        touch("data/validation-00000-of-00001.parquet", "README.md", ".cache/x.parquet", "notes.txt");
        assertThat(split("train"))
                .containsExactly("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet");
        assertThat(split("validation")).containsExactly("data/validation-00000-of-00001.parquet");
        assertRefused(null, null, "data.train.split = null: must be one of its splits: train, validation");
        assertRefused(null, "test", "data.train.split = test: must be one of its splits: train, validation");
        assertRefused("en", "train", "data.train.subset = en: its README.md names no subsets");
    }

    @ParameterizedTest
    @CsvSource({
        "train, train.jsonl",
        "train, my-training_set.jsonl",
        "validation, dev.jsonl",
        "validation, valid/part1.jsonl",
        "test, test_2.jsonl",
        "test, x.eval.jsonl",
    })
    void wordsInNamesTellTheSplit(String split, String name) throws IOException {
        touch(name, "trainer/constraint.jsonl"); // which are words that only contain others
        assertThat(split(null)).containsExactly(name);
        assertThat(split(split)).containsExactly(name);
    }

    @Test
    void filesWhoseNamesSayNothingAreForTraining() throws IOException {
        touch("b.csv", "a.csv");
        assertThat(split("train")).containsExactly("a.csv", "b.csv");
    }

    @Test
    void whatSaveToDiskWroteIsReadByItsFolders() throws IOException {
        touch("dataset_dict.json", "train/data-00000-of-00001.arrow", "train/state.json", "train/dataset_info.json");
        touch("odd/data-00000-of-00001.arrow", "odd/cache-1f.arrow");
        assertThat(split("odd")).containsExactly("odd/data-00000-of-00001.arrow");
        assertThat(split("train")).containsExactly("train/data-00000-of-00001.arrow");
    }

    @Test
    void theCardNamesSubsetsAndTheirFiles() throws IOException {
        Files.writeString(folder.resolve("README.md"), CARD);
        touch("en/train-1.parquet", "en/train-0.parquet", "en/more.parquet", "en/held-out.parquet", "fr/x.parquet");
        touch("names/train.parquet", "names/test.parquet", "stray/train.parquet");
        assertThat(files(null, "train")).containsExactly("en/train-0.parquet", "en/train-1.parquet", "en/more.parquet");
        assertThat(files("en", "test")).containsExactly("en/held-out.parquet");
        assertThat(files("fr", null)).containsExactly("fr/x.parquet");
        assertThat(files("by-names", "test")).containsExactly("names/test.parquet");
        assertRefused("de", "train", "data.train.subset = de: must be one of its subsets: en, fr, by-names");
        assertRefused(null, "dev", "data.train.split = dev: must be one of its splits: train, test");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../x.parquet", "/etc/x.parquet", "https://host/x.parquet", "hf://datasets/x", "a/../../x"})
    void aCardCannotNameFilesElsewhere(String path) throws IOException {
        card("configs: [{config_name: default, data_files: '%s'}]".formatted(path));
        assertRefused(null, null, "README.md: path " + path + " is outside of its folder");
    }

    @Test
    void aCardThatCannotBeReadIsRefused() throws IOException {
        card("configs: [");
        assertRefused(null, null, "README.md: front matter is no YAML");
        card("configs: [{config_name: 7, data_files: a.jsonl}]");
        assertRefused(null, null, "README.md: configs have a config_name that is 7; must be a text");
        card("configs: [{config_name: default, data_files: none/*.jsonl}]");
        assertRefused(null, null, "no file of rows matches data_files [none/*.jsonl]");
        card("a: &a [x, x]\nb: &b [" + "*a, ".repeat(50) + "*a]\nconfigs: [" + "*b, ".repeat(50) + "*b]");
        assertRefused(null, null, "README.md: front matter is no YAML");
    }

    @Test
    void aCardWithoutConfigurationsLeavesNamesToSay() throws IOException {
        card("license: mit");
        touch("train.jsonl");
        assertThat(split("train")).containsExactly("train.jsonl");
    }

    @Test
    void severalKindsOfFilesInASplitAreRefused() throws IOException {
        touch("train.jsonl", "train.csv");
        assertRefused(null, null, "its split train has files of several kinds (CSV, JSONL); choose some by a glob");
    }

    private void card(String yaml) throws IOException {
        Files.writeString(folder.resolve("README.md"), "---\n" + yaml + "\n---\n");
        touch("other.jsonl");
    }

    private void touch(String... names) throws IOException {
        for (String name : names) {
            Path file = folder.resolve(name);
            Files.createDirectories(file.getParent());
            Files.write(file, new byte[0]);
        }
    }

    private List<String> split(@Nullable String split) {
        return files(null, split);
    }

    private List<String> files(@Nullable String subset, @Nullable String split) {
        return SourceFiles.of(settings(subset, split)).files().stream()
                .map(SourceFile::name)
                .toList();
    }

    private void assertRefused(@Nullable String subset, @Nullable String split, String... problems) {
        assertThatThrownBy(() -> files(subset, split))
                .isInstanceOfSatisfying(
                        FaultException.class,
                        e -> assertThat(e.fault().message()).contains(Arrays.asList(problems)));
    }

    private SourceSettings settings(@Nullable String subset, @Nullable String split) {
        SourceConfig reading = new SourceConfig(
                Optional.of(folder), RowFormat.AUTO, Map.of(), Optional.ofNullable(subset), Optional.ofNullable(split));
        return new SourceSettings("data.train.path", folder, reading, MalformedRows.FAIL, 64);
    }
}
