// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PreviewTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");

    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    @Test
    void whatIsTrainedStandsInBracketsWhereThereIsNoColour() {
        assertThat(preview("chat.conf", "--rows", "2", "data.packing=false")).isZero();
        assertThat(shell.out())
                .containsPattern("--- example \\d+, .*train.jsonl:\\d+: \\d+ tokens, \\d+ trained\n")
                .contains("[[")
                .contains("training data     36 examples, 0 rows left out")
                .contains("padding")
                .doesNotContain("\u001b")
                .doesNotContain("===");
        assertThat(shell.out().lines().filter(line -> line.startsWith("--- example")))
                .hasSize(2);
    }

    @Test
    void coloursAreUsedOnRequest() {
        assertThat(preview("chat.conf", "--rows", "1", "--color=always")).isZero();
        assertThat(shell.out()).contains("\u001b[32m").doesNotContain("[[");
    }

    @Test
    void aPackedSequenceIsShownWithItsDocuments() {
        assertThat(preview("chat.conf", "--rows", "9")).isZero();
        assertThat(shell.out()).containsPattern("=== sequence \\d: [2-9]\\d* documents, \\d+ tokens\n");
    }

    @Test
    void generatedDataOfARecipeIsShownTooAndNothingIsLeftBehind() throws IOException {
        assertThat(preview("quickstart.conf", "data.generate.train-rows=50")).isZero();
        assertThat(shell.out()).contains("Reverse:").contains("50 examples");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void aTextCannotSteerTheTerminal() throws IOException {
        Path rows = Files.writeString(folder.resolve("rows.jsonl"), "{\"text\": \"a\\u001b[2Jb\\u202ec\"}\n");
        assertThat(preview("prose.conf", "data.train.path=" + rows)).isZero();
        assertThat(shell.out()).contains("\\u001b[2Jb\\u202ec").doesNotContain("\u001b");
    }

    @Test
    void aNumberOfRowsThatMakesNoSenseIsWrongInput() {
        assertThat(preview("chat.conf", "--rows", "0")).isEqualTo(2);
        assertThat(shell.err()).contains("--rows 0: must be 1 to ");
    }

    private int preview(String recipe, String... arguments) {
        List<String> line = new ArrayList<>(
                List.of("data", "preview", RECIPES.resolve(recipe).toString()));
        line.addAll(List.of(arguments));
        return shell.run(folder, line.toArray(String[]::new));
    }
}
