// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows are written with apostrophes for quotes. */
class RowFormatsTest {
    @Test
    void anInstructionIsPutAsAlpacaWasPublished() throws MalformedRowException {
        Example with = parse("{'instruction': 'Add.', 'input': '2 %s 2', 'output': '4', 'id': 1}");
        assertThat(with)
                .isEqualTo(new Example.Pair(
                        "Below is an instruction that describes a task, paired with an input that provides further"
                                + " context. Write a response that appropriately completes the request.\n\n"
                                + "### Instruction:\nAdd.\n\n### Input:\n2 %s 2\n\n### Response:",
                        "4"));
        Example.Pair without = new Example.Pair(
                "Below is an instruction that describes a task. Write a response that appropriately completes the"
                        + " request.\n\n### Instruction:\nSay a.\n\n### Response:",
                "a");
        assertThat(parse("{'instruction': 'Say a.', 'input': '', 'output': 'a'}"))
                .isEqualTo(without);
        assertThat(parse("{'instruction': 'Say a.', 'input': null, 'output': 'a'}"))
                .isEqualTo(without);
        assertThat(parse("{'instruction': 'Say a.', 'output': 'a'}")).isEqualTo(without);
    }

    @Test
    void turnsOfShareGptBecomeMessages() throws MalformedRowException {
        Example chat = parse("{'conversations': [{'from': 'human', 'value': 'q', 'weight': null},"
                + " {'from': 'gpt', 'value': 'a'}, {'from': 'tool', 'value': '{}'}], 'system': 'Be brief.',"
                + " 'tools': '[{\\'name\\': \\'f\\'}]', 'id': 'x'}");
        assertThat(chat)
                .isEqualTo(new Example.Chat(
                        json("[{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'q'},"
                                + " {'role': 'assistant', 'content': 'a'}, {'role': 'tool', 'content': '{}'}]"),
                        json("[{'name': 'f'}]")));
        assertThat(parse("{'conversations': [{'from': 'system', 'value': 's'}], 'system': '', 'tools': ''}"))
                .isEqualTo(new Example.Chat(json("[{'role': 'system', 'content': 's'}]"), null));
    }

    @Test
    void twoAnswersToAPromptAreAPreference() throws MalformedRowException {
        Example texts = new Example.Preference(new Example.Pair("p ", "a"), new Example.Pair("p ", "b"));
        assertThat(parse("{'prompt': 'p ', 'chosen': 'a', 'rejected': 'b', 'messages': [], 'score': 1}"))
                .isEqualTo(texts);
        assertThat(parse("{'prompt': [{'role': 'user', 'content': 'q'}],"
                        + " 'chosen': [{'role': 'assistant', 'content': 'a'}],"
                        + " 'rejected': [{'role': 'assistant', 'content': 'b'}]}"))
                .isEqualTo(conversations());
    }

    @Test
    void whatBothAnswersBeginWithIsThePromptWhereNoneIsGivenOfTheirKind() throws MalformedRowException {
        String messages = "'chosen': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}],"
                + " 'rejected': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'b'}]}";
        assertThat(parse("{" + messages)).isEqualTo(conversations());
        assertThat(parse("{'prompt': 'q', " + messages)).isEqualTo(conversations());
        assertThat(parse("{'chosen': 'Human: hi Assistant: yes', 'rejected': 'Human: hi Assistant: no'}"))
                .isEqualTo(new Example.Preference(
                        new Example.Pair("Human: hi Assistant:", " yes"),
                        new Example.Pair("Human: hi Assistant:", " no")));
        assertThat(parse("{'chosen': '🙂', 'rejected': '🙃'}")) // which begin with the same surrogate
                .isEqualTo(new Example.Preference(new Example.Pair("", "🙂"), new Example.Pair("", "🙃")));
    }

    @Test
    void anAnswerWithAVerdictIsRated() throws MalformedRowException {
        Example.Pair answer = new Example.Pair("p", "c");
        assertThat(parse("{'prompt': 'p', 'completion': 'c', 'label': true}"))
                .isEqualTo(new Example.Rated(answer, true));
        assertThat(parse("{'prompt': 'p', 'completion': 'c', 'label': 'False'}")) // of a CSV file
                .isEqualTo(new Example.Rated(answer, false));
        assertThat(parse("{'prompt': 'p', 'completion': 'c', 'label': 'sports'}"))
                .isEqualTo(answer);
        assertThat(parse("{'prompt': [{'role': 'user'}], 'completion': [{'role': 'assistant'}], 'label': false}"))
                .isEqualTo(new Example.Rated(
                        new Example.Reply(json("[{'role': 'user'}, {'role': 'assistant'}]"), 1, null), false));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "preference | {'chosen': 'a'} | the row has no rejected, it has the columns chosen",
                "preference | {'chosen': 'a', 'rejected': 'a'} | chosen and rejected are the same",
                "preference | {'chosen': 'a', 'rejected': [{'role': 'x'}]} | chosen is a text and rejected is messages",
                "preference | {'chosen': 'ab', 'rejected': 'a'} | field rejected says nothing after the prompt",
                "preference | {'chosen': [], 'rejected': 'a'} | field chosen is empty; must be a list of",
                "preference | {'chosen': 7, 'rejected': 'a'} | field chosen is a number; must be a text",
                "preference | {'prompt': 'p', 'completion': 'c', 'label': 0} | field label is no verdict",
                "preference | {'completion': 'c', 'label': true} | the row has no prompt",
                "sharegpt | {'conversations': []} | field conversations is empty; must be a list of",
                "sharegpt | {'conversations': 'x'} | field conversations is a text; must be a list of",
                "sharegpt | {'conversations': [{'from': 'human'}]} | conversations[0] has no from and value",
                "sharegpt | {'conversations': [{'from': 'bot', 'value': ''}]} | conversations[0].from is \"bot\"",
                "sharegpt | {'messages': []} | the row has no conversations, it has the columns messages",
                "sharegpt | {'conversations': [{'from': 'gpt', 'value': ''}], 'tools': '['} | is no JSON",
                "alpaca | {'instruction': 'x'} | the row has no output, it has the columns instruction",
                "alpaca | {'instruction': 'x', 'output': 'y', 'input': 7} | field input is a number",
                "text | {'prompt': 'x'} | the row has no text, it has the columns prompt",
                "messages | {'text': 'x'} | the row has no messages, it has the columns text",
                "prompt-completion | {'prompt': 'x'} | the row has no completion, it has the columns prompt",
                "auto | {'instruction': 'x', 'output': 'y', 'text': 'z'} | may be alpaca or text; say which",
                "auto | {'instruction': 'x', 'output': 'y', 'conversations': []} | may be alpaca or sharegpt",
                "auto | {'question': 'x', 'answer': 'y'} | the row has the columns question, answer; must be"
            })
    void aRowThatIsNotOfItsFormatSaysWhatItHas(String format, String row, String problem) {
        RowFormat declared = RowFormat.valueOf(format.strip().replace('-', '_').toUpperCase(Locale.ROOT));
        assertThatThrownBy(() -> parse(declared, Map.of(), row))
                .isInstanceOf(MalformedRowException.class)
                .hasMessageContaining(problem.strip());
    }

    @Test
    void aDeclaredFormatPassesOverWhatIsNotItsOwn() throws MalformedRowException {
        String row = "{'text': 't', 'prompt': 'p', 'completion': 'c', 'label': true, 'messages': [{'role': 'user'}]}";
        assertThat(parse(RowFormat.TEXT, Map.of(), row)).isEqualTo(new Example.Text("t", true));
        assertThat(parse(RowFormat.PROMPT_COMPLETION, Map.of(), row)).isEqualTo(new Example.Pair("p", "c"));
        assertThat(parse(RowFormat.MESSAGES, Map.of(), row)).isInstanceOf(Example.Chat.class);
        assertThat(parse(RowFormat.PREFERENCE, Map.of(), row)).isInstanceOf(Example.Rated.class);
    }

    @Test
    void columnsOfOtherNamesAreTakenForTheFieldsThatTheyAre() throws MalformedRowException {
        Map<String, String> columns = Map.of("prompt", "question", "completion", "answer");
        String row = "{'question': 'q', 'answer': 'a', 'prompt': 7, 'context': 'z'}";
        assertThat(parse(RowFormat.AUTO, columns, row)).isEqualTo(new Example.Pair("q", "a"));
        assertThatThrownBy(() -> parse(RowFormat.AUTO, columns, "{'question': 7, 'answer': 'a'}"))
                .hasMessage("field question is a number; must be a text in quotes");
    }

    @Test
    void columnsThatAreNoFieldOrTwoAreRefused() {
        assertThatThrownBy(() -> source(RowFormat.AUTO, Map.of("question", "q", "prompt", "x", "completion", "x")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("columns.question = q: there is no field question; must be one of text, prompt")
                .hasMessageContaining(" = x: the column is another field already");
    }

    private static Example.Preference conversations() {
        return new Example.Preference(
                new Example.Reply(
                        json("[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}]"), 1, null),
                new Example.Reply(
                        json("[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'b'}]"), 1, null));
    }

    private static Example parse(String row) throws MalformedRowException {
        return parse(RowFormat.AUTO, Map.of(), row);
    }

    private static Example parse(RowFormat format, Map<String, String> columns, String row)
            throws MalformedRowException {
        byte[] json = row.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        return new RowParser(source(format, columns), NumberFields.NONE).parse(ByteBuffer.wrap(json));
    }

    private static SourceConfig source(RowFormat format, Map<String, String> columns) {
        return new SourceConfig(Optional.empty(), format, columns, Optional.empty(), Optional.empty());
    }

    private static JsonNode json(String text) {
        try {
            return new ObjectMapper().readTree(text.replace('\'', '"'));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
