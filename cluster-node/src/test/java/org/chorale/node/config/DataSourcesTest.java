// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DataSourcesTest {
    private static final String SOURCES = """
            model.path = model
            data.train.sources = [
              { path = a.jsonl, filter = "size(text) > 3" }
              { path = deeper/b.jsonl, map { text = "'> ' + text" } }
            ]
            data.eval.sources = [{ path = ../held-out.jsonl }]
            """;

    @TempDir
    Path folder;

    private Path recipes;
    private Path here;

    @BeforeEach
    void makeFolders() throws IOException {
        recipes = Files.createDirectory(folder.resolve("recipes"));
        here = Files.createDirectory(folder.resolve("here"));
    }

    @Test
    void pathsInAListAreRelativeToTheFileOrOnTheCommandLineToTheCurrentFolder() {
        Config config = config(resolve(SOURCES, "data.eval.sources=[{path=e.jsonl}]"));
        assertThat(config.getConfigList("data.train.sources").get(0).getString("path"))
                .isEqualTo(recipes.resolve("a.jsonl").toString());
        assertThat(config.getConfigList("data.train.sources").get(1).getString("path"))
                .isEqualTo(recipes.resolve("deeper/b.jsonl").toString());
        assertThat(config.getConfigList("data.train.sources").get(1).getString("map.text"))
                .isEqualTo("'> ' + text");
        assertThat(config.getConfigList("data.eval.sources").get(0).getString("path"))
                .isEqualTo(here.resolve("e.jsonl").toString());
    }

    @Test
    void everyMissingFileIsNamedWithItsPlaceInTheList() throws IOException {
        RunConf conf = resolve(SOURCES);
        Files.createDirectory(recipes.resolve("model"));
        Files.createFile(recipes.resolve("a.jsonl"));
        assertThatThrownBy(() -> NamedPaths.refuseMissing(conf))
                .hasMessage(String.join(
                        "\n",
                        missing("data.train.sources[1].path", recipes.resolve("deeper/b.jsonl")),
                        missing("data.eval.sources[0].path", folder.resolve("held-out.jsonl"))));
    }

    @Test
    void mistakesInAListAreToldAllAtOnceWithTheirPlaces() {
        assertThatThrownBy(() -> resolve("""
                        model.path = model
                        data.train.sources = [{ pth = a.jsonl }, { path = b.jsonl, filter = "siz(text) > 3", select = all }]
                        """))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll(
                        "data.train.sources[0].pth: there is no such key, there are columns, filter,",
                        "data.train.sources[0].path is not set: give a path",
                        "data.train.sources[1].select = all: must be a list");
        assertThatThrownBy(() -> resolve(SOURCES.replace("size(text)", "siz(text)")))
                .hasMessageContaining(
                        "data.train.sources[0].filter = \"siz(text) > 3\": column 4: undeclared reference");
    }

    @Test
    void aUsersClassNeedsToBeWhereTheRunTrainsAndNotWhereItIsOnlySubmitted() {
        String conf = SOURCES.replace("filter = \"size(text) > 3\"", "transform = [{ type = shop.Filter }]");
        String missing = "data.train.sources[0].transform[0]: shop.Filter is not on the class path";
        assertThatThrownBy(() -> resolve(conf)).hasMessageContaining(missing);
        RunConf submitted = runFile(conf).resolveForCluster(List.of(), Optional.empty());
        assertThatThrownBy(() -> RunFile.recheck(submitted.text())).hasMessageContaining(missing);
    }

    private static String missing(String key, Path path) {
        return "%s = %s: does not exist or cannot be read; must be a file of rows, a glob of such files, or a folder"
                .formatted(key, path);
    }

    private static Config config(RunConf conf) {
        return ConfigFactory.parseString(conf.text());
    }

    private RunConf resolve(String conf, String... assignments) {
        return runFile(conf).resolve(List.of(assignments), Optional.empty());
    }

    private RunFile runFile(String conf) {
        try {
            return new RunFile(Files.writeString(recipes.resolve("my.conf"), conf), here);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
