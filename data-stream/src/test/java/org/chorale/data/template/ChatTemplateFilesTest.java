// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ChatTemplateFilesTest {
    private static final JsonNode MESSAGES = Resources.json("[]");
    private static final JsonNode TOOLS = Resources.json("[{'name': 'f'}]");

    @TempDir
    Path folder;

    @Test
    void aFileBesideTheTokenizerWinsOverItsSettings() throws IOException {
        settings("{'chat_template': 'settings'}");
        assertThat(rendered(null)).isEqualTo("settings");
        write("chat_template.jinja", "file\n");
        assertThat(rendered(null)).isEqualTo("file");
        Path other = write("other.jinja", "given");
        assertThat(ChatTemplate.load(folder, Optional.of(other))
                        .render(MESSAGES, null, false)
                        .text())
                .isEqualTo("given");
    }

    @Test
    void aListHasOneTemplateForToolsAndOneForAllElse() throws IOException {
        settings("{'chat_template': [{'name': 'default', 'template': 'usual'}, {'name': 'rag', 'template': '{{'},"
                + " {'name': 'tool_use', 'template': 'tools {{ tools | length }}'}]}");
        assertThat(rendered(null)).isEqualTo("usual");
        assertThat(rendered(TOOLS)).isEqualTo("tools 1");
        assertThat(rendered(Resources.json("[]"))).isEqualTo("tools 0");
        assertThat(ChatTemplate.load(folder, Optional.empty())
                        .renderForTraining(MESSAGES, TOOLS)
                        .text())
                .isEqualTo("tools 1");
    }

    @Test
    void anAdditionalTemplateForToolsIsFoundInItsFolder() throws IOException {
        write("chat_template.jinja", "usual");
        Files.createDirectory(folder.resolve("additional_chat_templates"));
        write("additional_chat_templates/tool_use.jinja", "tools");
        assertThat(rendered(null)).isEqualTo("usual");
        assertThat(rendered(TOOLS)).isEqualTo("tools");
    }

    @Test
    void specialTokensAreTextsOrObjects() throws IOException {
        settings("{'bos_token': '<s>', 'eos_token': {'content': '</s>', 'lstrip': false}, 'unk_token': null,"
                + " 'add_bos_token': true, 'extra_special_tokens': {'image_token': '<img>'}}");
        write(
                "chat_template.jinja",
                "{{ bos_token }}{{ eos_token }}{{ image_token }}{{ unk_token is defined }}{{ add_bos_token is defined }}");
        assertThat(rendered(null)).isEqualTo("<s></s><img>FalseFalse");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '!', textBlock = """
            {}                                        ! has no chat template; must have chat_template.jinja, or chat_template in tokenizer_config.json
            {'chat_template': null}                   ! has no chat template
            {'chat_template': 5}                      ! tokenizer_config.json has a chat_template that is neither a text nor a list of them
            {'chat_template': [{'name': 'default'}]}  ! tokenizer_config.json has a chat_template that is malformed; each must have a name and a template
            {'chat_template': [{'name': 'a', 'template': 'x'}]} ! has chat templates [a]; one must be named default
            {'chat_template': '{{ a'}                 ! tokenizer_config.json has a chat template that cannot be parsed: line 1: unexpected end of template, expected 'end of print statement'.
            []                                        ! tokenizer_config.json is no JSON object
            {                                         ! tokenizer_config.json is not JSON
            """)
    void settingsThatNameNoTemplateAreRefusedWithTheirFile(String settings, String problem) throws IOException {
        settings(settings);
        refused(folder, problem);
    }

    @Test
    void aFileThatIsMissingOrMalformedIsRefusedWithItsName() throws IOException {
        Path absent = folder.resolve("absent.jinja");
        assertThatThrownBy(() -> ChatTemplate.load(folder, Optional.of(absent)))
                .hasMessage(absent + " does not exist")
                .isInstanceOf(FaultException.class);
        refused(folder, "has no chat template");
        Path file = write("chat_template.jinja", "{% if %}");
        refused(folder, file + " has a chat template that cannot be parsed: line 1: Expected an expression");
        Files.write(file, "\u00e9".getBytes(StandardCharsets.ISO_8859_1));
        refused(folder, file + " is not valid UTF-8");
    }

    private void refused(Path of, String problem) {
        assertThatThrownBy(() -> ChatTemplate.load(of, Optional.empty()))
                .isInstanceOfSatisfying(
                        FaultException.class, e -> assertThat(e.fault().code()).isEqualTo(FaultCode.TOKENIZER_INVALID))
                .hasMessageContaining(folder.toString())
                .hasMessageContaining(problem);
    }

    private String rendered(@Nullable JsonNode tools) {
        return ChatTemplate.load(folder, Optional.empty())
                .render(MESSAGES, tools, false)
                .text();
    }

    private void settings(String json) throws IOException {
        write("tokenizer_config.json", json.replace('\'', '"'));
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }
}
