// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class RowParserTest {
    private static final RowParser PARSER = new RowParser(SourceConfig.of(Path.of("rows.jsonl")), NumberFields.NONE);

    @Test
    void bothShapesAreRead() throws MalformedRowException {
        assertThat(parse("{\"text\": \"a\\u0062 \\ud83d\\ude42\"}")).isEqualTo(new Example.Text("ab 🙂", true));
        assertThat(parse("{\"completion\": \"4\", \"prompt\": \"2+2=\"}")).isEqualTo(new Example.Pair("2+2=", "4"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"text\": \"x\", \"id\": 7, \"meta\": {\"tags\": [1, null, true, {\"text\": 3}]}}",
                "  {\"text\":\"x\"}\t ",
                "{\"unknown\": null, \"text\": \"x\"}",
                "{\"te\\u0078t\": \"x\"}"
            })
    void furtherFieldsAndBlanksAreAccepted(String row) throws MalformedRowException {
        assertThat(parse(row)).isEqualTo(new Example.Text("x", true));
    }

    @Test
    void aConversationIsReadWithItsTools() throws MalformedRowException, IOException {
        String messages = "[{\"role\": \"user\", \"content\": null, \"x\": [1.5, 7]}, {\"role\": \"assistant\"}]";
        JsonNode tree = new ObjectMapper().readTree(messages);
        assertThat(parse("{\"messages\": " + messages + "}")).isEqualTo(new Example.Chat(tree, null));
        assertThat(parse("{\"prompt\": \"\", \"tools\": null, \"messages\": " + messages + "}"))
                .isEqualTo(new Example.Chat(tree, null));
        assertThat(parse("{\"tools\": [{\"name\": \"f\"}], \"messages\": " + messages + "}"))
                .isEqualTo(new Example.Chat(tree, new ObjectMapper().readTree("[{\"name\": \"f\"}]")));
    }

    @Test
    void tokenIdsAreTakenAsTheyAreWhereThereIsNothingElse() throws MalformedRowException {
        Example ids = parse("{\"input_ids\": [5, 0, 999], \"attention_mask\": [1, 1, 1]}");
        assertThat(((Example.Ids) ids).tokens()).containsExactly(5, 0, 999);
        assertThat(parse("{\"text\": \"x\", \"input_ids\": [1]}")).isEqualTo(new Example.Text("x", true));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[]|is no list of token ids, or is empty",
                "7|is no list of token ids, or is empty",
                "[1, -1]|element 1 of input_ids is no token id",
                "[1.5]|element 0 of input_ids is no token id",
                "[\"1\"]|element 0 of input_ids is no token id",
                "[99999999999]|element 0 of input_ids is no token id",
                "[[1]]|element 0 of input_ids is no token id"
            })
    void whatIsNoTokenIdIsRefused(String ids, String problem) {
        assertThatThrownBy(() -> parse("{\"input_ids\": " + ids + "}"))
                .isInstanceOf(MalformedRowException.class)
                .hasMessageContaining(problem);
    }

    @Test
    void aConversationThatWouldFillTheMemoryIsRefused() {
        String many = "{\"messages\": [" + "{},".repeat(2 << 20) + "{}]}";
        assertThatThrownBy(() -> parse(many))
                .isInstanceOf(MalformedRowException.class)
                .hasMessage("the row has messages and %d bytes; such a row must have at most 4 MiB", many.length());
    }

    @Test
    void anEmptyPromptOrCompletionAloneIsAccepted() throws MalformedRowException {
        assertThat(parse("{\"prompt\": \"\", \"completion\": \"x\"}")).isEqualTo(new Example.Pair("", "x"));
        assertThat(parse("{\"prompt\": \"x\", \"completion\": \"\"}")).isEqualTo(new Example.Pair("x", ""));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                // not an object
                "[1]                                           | is no JSON object",
                "\"text\"                                      | is no JSON object",
                "null                                          | is no JSON object",
                "42                                            | is no JSON object",
                // broken structure, as in n_structure_* and n_object_* of the JSON test suite
                "{                                             | ends before its JSON does",
                "{\"text\"                                     | ends before its JSON does",
                "{\"text\":                                    | ends before its JSON does",
                "{\"text\": \"x                                | ends before its JSON does",
                "{\"text\": \"x\"                              | ends before its JSON does",
                "{\"text\": \"x\",                             | ends before its JSON does",
                "{\"text\": \"x\"}}                            | is not JSON",
                "{\"text\": \"x\"}]                            | is not JSON",
                "{\"text\": \"x\"} {\"text\": \"y\"}           | must be one object per line",
                "{\"text\": \"x\"}{\"text\": \"y\"}            | must be one object per line",
                "{\"text\": \"x\"} # comment                   | is not JSON",
                "{\"text\": \"x\"} trailing                    | is not JSON",
                "{\"text\": \"x\", /* c */ \"a\": 1}           | is not JSON",
                "{\"text\": \"x\",}                            | is not JSON",
                "{,\"text\": \"x\"}                            | is not JSON",
                "{\"text\" \"x\"}                              | is not JSON",
                "{\"text\":: \"x\"}                            | is not JSON",
                "{\"text\"= \"x\"}                             | is not JSON",
                "{text: \"x\"}                                 | is not JSON",
                "{'text': 'x'}                                 | is not JSON",
                "{1: \"x\"}                                    | is not JSON",
                "{\"text\": \"x\", \"a\": [1,]}                | is not JSON",
                "{\"text\": \"x\", \"a\": [1 2]}               | is not JSON",
                "{\"text\": \"x\", \"a\": [}                   | is not JSON",
                "{\"text\": \"x\", \"a\": [1}                  | is not JSON",
                // numbers and words
                "{\"text\": \"x\", \"a\": NaN}                 | is not JSON",
                "{\"text\": \"x\", \"a\": Infinity}            | is not JSON",
                "{\"text\": \"x\", \"a\": -Infinity}           | is not JSON",
                "{\"text\": \"x\", \"a\": 01}                  | is not JSON",
                "{\"text\": \"x\", \"a\": +1}                  | is not JSON",
                "{\"text\": \"x\", \"a\": .5}                  | is not JSON",
                "{\"text\": \"x\", \"a\": 1.}                  | is not JSON",
                "{\"text\": \"x\", \"a\": 1e}                  | is not JSON",
                "{\"text\": \"x\", \"a\": 0x1}                 | is not JSON",
                "{\"text\": \"x\", \"a\": -}                   | is not JSON",
                "{\"text\": \"x\", \"a\": True}                | is not JSON",
                "{\"text\": \"x\", \"a\": nul}                 | is not JSON",
                "{\"text\": \"x\", \"a\": undefined}           | is not JSON",
                // strings
                "{\"text\": \"\\x\"}                           | is not JSON",
                "{\"text\": \"\\u12\"}                         | is not JSON",
                "{\"text\": \"\\uD8zz\"}                       | is not JSON",
                "{\"text\": \"x\", \"a\": \"\\q\"}             | is not JSON",
                "{\"text\": \"a\\ud800b\"}                     | unpaired surrogate \\ud800",
                "{\"text\": \"\\ude42\\ud83d\"}                | unpaired surrogate \\ude42",
                "{\"prompt\": \"\\ud800\", \"completion\": \"\"} | field prompt has an unpaired surrogate",
                // duplicated keys
                "{\"text\": \"x\", \"text\": \"y\"}            | Duplicate field 'text'",
                "{\"text\": \"x\", \"te\\u0078t\": \"y\"}      | Duplicate field 'text'",
                "{\"text\": \"x\", \"a\": 1, \"a\": 2}         | Duplicate field 'a'",
                // fields
                "{}                                            | the row has no columns; must be text, prompt",
                "{\"Text\": \"x\"}                             | the row has the columns Text; must be text, prompt",
                "{\"messages\": []}                            | field messages is empty; must be a list of",
                "{\"messages\": null}                          | field messages is null; must be a list of",
                "{\"messages\": \"hi\"}                        | field messages is a text; must be a list of",
                "{\"messages\": {\"role\": \"user\"}}          | field messages is an object; must be a list of",
                "{\"messages\": [\"hi\"]}                      | messages[0] is a text; must be a list of",
                "{\"messages\": [{\"content\": \"hi\"}]}       | messages[0] has no role that is a text",
                "{\"messages\": [{\"role\": 7}]}               | messages[0] has no role that is a text",
                "{\"messages\": [{\"role\": \"a\", \"role\": \"b\"}]} | Duplicate field 'role'",
                "{\"messages\": [{\"role\": \"a\"}], \"tools\": {}} | field tools is an object; must be a list",
                "{\"messages\": [{\"role\": \"a\"}], \"text\": \"x\"} | has messages and text; leave out",
                "{\"messages\": [{\"role\": \"a\"}], \"completion\": \"x\"} | has messages and completion",
                "{\"prompt\": [{\"role\": \"user\"}], \"completion\": []} | a conversation is given whole, as messages",
                "{\"prompt\": \"x\"}                           | has prompt but no completion",
                "{\"completion\": \"x\"}                       | has completion but no prompt",
                "{\"text\": \"x\", \"prompt\": \"y\"}          | has text and prompt or completion",
                "{\"text\": null}                              | field text is null; must be a text in quotes",
                "{\"text\": 7}                                 | field text is a number; must be a text in quotes",
                "{\"text\": true}                              | field text is true; must be a text in quotes",
                "{\"text\": [\"x\"]}                           | field text is an array; must be a text in quotes",
                "{\"text\": {\"a\": 1}}                        | field text is an object; must be a text in quotes",
                "{\"prompt\": \"x\", \"completion\": null}     | field completion is null",
                "{\"text\": \"\"}                              | field text is empty",
                "{\"prompt\": \"\", \"completion\": \"\"}      | fields prompt and completion are empty"
            })
    void aMalformedRowIsRefusedAndSaysWhy(String row, String problem) {
        assertThatThrownBy(() -> parse(row.strip()))
                .isInstanceOf(MalformedRowException.class)
                .hasMessageContaining(problem);
    }

    @ParameterizedTest
    @MethodSource("bytesThatAreNoText")
    void bytesThatAreNotUtf8AreRefused(String hex) {
        byte[] middle = HexFormat.of().parseHex(hex);
        ByteBuffer row = ByteBuffer.allocate(12 + middle.length)
                .put("{\"text\": \"".getBytes(StandardCharsets.UTF_8))
                .put(middle)
                .put("\"}".getBytes(StandardCharsets.UTF_8))
                .flip();
        assertThatThrownBy(() -> PARSER.parse(row)).hasMessageContaining("is not valid UTF-8");
    }

    static Stream<String> bytesThatAreNoText() {
        // a lone continuation, a lone lead, overlong forms, a surrogate, beyond Unicode, Latin-1, cut off
        return Stream.of("80", "c3", "c0af", "e080af", "eda080", "f4908080", "ff", "fe", "e9", "f09f99");
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16LE", "UTF-16BE", "UTF-32LE"})
    void otherEncodingsAreNotGuessed(String charset) throws Exception {
        ByteBuffer row = ByteBuffer.wrap("{\"text\": \"x\"}".getBytes(charset));
        assertThatThrownBy(() -> PARSER.parse(row)).isInstanceOf(MalformedRowException.class);
    }

    @Test
    void controlCharactersInStringsAreRefused() {
        assertThatThrownBy(() -> parse("{\"text\": \"a\tb\"}")).hasMessageContaining("is not JSON");
        assertThatThrownBy(() -> parse("{\"text\": \"a\0b\"}")).hasMessageContaining("is not JSON");
        assertThatThrownBy(() -> parse("{\"text\":\f\"a\"}")).hasMessageContaining("is not JSON");
    }

    @Test
    void deepNestingAndLongNumbersAreBeyondTheLimits() {
        assertThatThrownBy(() -> parse("{\"text\": \"x\", \"a\": " + "[".repeat(100_000)))
                .hasMessageContaining("is beyond the limits of a row");
        assertThatThrownBy(() -> parse("{\"text\": \"x\", \"a\": " + "1".repeat(100_000) + "}"))
                .hasMessageContaining("is beyond the limits of a row");
    }

    @Test
    void adviceOfTheParserThatAUserCannotFollowIsLeftOut() {
        assertThatThrownBy(() -> parse("{\"text\": NaN}")).hasMessageNotContaining("enable");
    }

    private static Example parse(String row) throws MalformedRowException {
        return PARSER.parse(ByteBuffer.wrap(row.getBytes(StandardCharsets.UTF_8)));
    }
}
