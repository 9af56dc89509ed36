// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Of the recipes' tokenizer and chat template. */
final class TokenizationTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");
    private static final String CHAT = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"},"
            + " {\"role\": \"assistant\", \"content\": \"Hello!\"}]}";

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    @TempDir
    Path folder;

    @Test
    void textsAndConversationsAreAnsweredInOrder() throws IOException {
        Path template = RECIPES.resolve("chat/template.jinja");
        assertThat(run(true, Optional.of(template), "{\"text\": \"Hello!\"}", CHAT))
                .isZero();
        List<JsonNode> answers = answers();
        assertThat(answers).hasSize(2);
        assertThat(answers.get(0).path("ids").get(0).asInt())
                .as("the tokenizer's beginning of text")
                .isZero();
        JsonNode chat = answers.get(1);
        assertThat(chat.path("trained")).hasSameSizeAs(chat.path("ids"));
        assertThat(chat.path("trained").get(0).asInt()).isZero();
        assertThat(chat.path("trained").toString()).contains("1");
    }

    @Test
    void specialTokensAreLeftOutOnRequest() throws IOException {
        assertThat(run(false, Optional.empty(), "{\"text\": \"Hello!\"}")).isZero();
        assertThat(answers().get(0).path("ids").get(0).asInt()).isNotZero();
    }

    @Test
    void anInputThatFailsGivesItsErrorAndTheExitCodeAtTheEnd() throws IOException {
        assertThat(run(true, Optional.empty(), "nonsense", "{\"text\": \"Hello!\"}"))
                .isEqualTo(1);
        assertThat(answers().get(0).path("error").asText()).contains("is not JSON");
        assertThat(answers().get(1).path("ids")).isNotEmpty();
    }

    @Test
    void aTemplateOrModelThatIsNotThereIsWrongInput() {
        assertThatThrownBy(() -> run(true, Optional.of(folder.resolve("none.jinja")), CHAT))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("none.jinja: does not exist");
        assertThatThrownBy(() -> new Tokenization(console(), true)
                        .run(folder, Optional.empty(), new ByteArrayInputStream(new byte[0])))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("tokenizer.json does not exist");
    }

    private int run(boolean specialTokens, Optional<Path> template, String... lines) throws IOException {
        byte[] in = String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
        return new Tokenization(console(), specialTokens)
                .run(RECIPES.resolve("quickstart/model"), template, new ByteArrayInputStream(in));
    }

    private Console console() {
        PrintStream stream = new PrintStream(out, false, StandardCharsets.UTF_8);
        return new Console(stream, stream, false, 100, folder);
    }

    private List<JsonNode> answers() throws IOException {
        List<JsonNode> answers = new ArrayList<>();
        for (String line : out.toString(StandardCharsets.UTF_8).lines().toList()) {
            answers.add(new ObjectMapper().readTree(line));
        }
        return answers;
    }
}
