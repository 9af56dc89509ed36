// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.source.Example;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.template.SpecialTokens;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.SequenceRole;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PreferenceEncodingTest {
    private static final String TURNS = """
            {%- for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor -%}
            {%- if add_generation_prompt %}<assistant>{% endif -%}""";

    /** Speaks of the last message only where it is the user's. */
    private static final String REWRITING = """
            {%- for m in messages %}{% if loop.last and m.role == 'user' %}last:{% endif %}<{{ m.role }}>{{ m.content }}</s>
            {%- endfor -%}""";

    private final TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);

    @AfterEach
    void close() {
        tokenizer.close();
    }

    @Test
    void bothAnswersStandBehindTheSamePromptAndOnlyTheyAreTrained() {
        TokenizedExample pair = encoder(Learning.PAIRS, 64, TURNS)
                .encode(new Example.Preference(
                        new Example.Pair("2+2=", " 4"), new Example.Pair("2+2=", " five, or so")));
        TokenizedExample rejected = pair.sequences().get(1);
        int prompt = tokenizer.encode("2+2=", true).length;
        assertThat(pair.role()).isEqualTo(SequenceRole.CHOSEN);
        assertThat(rejected.role()).isEqualTo(SequenceRole.REJECTED);
        assertThat(rejected.tokens()).startsWith(Arrays.copyOf(pair.tokens(), prompt));
        for (TokenizedExample answer : pair.sequences()) {
            assertThat(Arrays.copyOf(answer.labels(), prompt)).containsOnly(Batch.IGNORED);
            assertThat(answer.trainedTokens()).isEqualTo(answer.tokens().length - prompt);
            assertThat(answer.tokens()).endsWith(tokenizer.eos());
        }
        assertThat(pair.longest()).isSameAs(rejected);
    }

    @Test
    void ofAConversationOnlyTheReplyIsTrainedAndNotTheAssistantsTurnsBefore() {
        TokenizedExample pair =
                encoder(Learning.PAIRS, 64, TURNS).encode(new Example.Preference(reply("yes"), reply("no")));
        assertThat(trainedText(pair)).isEqualTo("yes</s>");
        assertThat(trainedText(pair.sequences().get(1))).isEqualTo("no</s>");
        assertThat(tokenizer.decode(pair.tokens(), false))
                .isEqualTo("<user>Well?</s><assistant>What?</s><user>Is it?</s><assistant>yes</s>");
    }

    @Test
    void aTemplateThatWritesThePromptOtherwiseBeforeAnAnswerIsRefused() {
        ExampleEncoder encoder = encoder(Learning.PAIRS, 64, REWRITING);
        assertThatThrownBy(() -> encoder.encode(new Example.Preference(reply("yes"), reply("no"))))
                .isInstanceOf(UnusableExampleException.class)
                .hasMessageContaining("the chat template writes the prompt otherwise when an answer follows it");
    }

    @Test
    void aMismatchedAnswerStandsBehindThePromptOfTheRatedOneAndFits() {
        ExampleEncoder encoder = encoder(Learning.RATINGS, 12, TURNS);
        TokenizedExample rated = encoder.encode(new Example.Rated(new Example.Pair("2+2=", " 4"), true));
        TokenizedExample another =
                encoder.encode(new Example.Rated(new Example.Pair("Say", " something long here!"), false));
        int prompt = tokenizer.encode("2+2=", true).length;
        TokenizedExample beside = rated.mismatchedWith(another, 12).sequences().get(1);
        long[] answer = tokenizer.encode(" something long here!", false);
        assertThat(rated.role()).isEqualTo(SequenceRole.DESIRABLE);
        assertThat(another.role()).isEqualTo(SequenceRole.UNDESIRABLE);
        assertThat(beside.role()).isEqualTo(SequenceRole.MISMATCHED);
        assertThat(beside.tokens()).hasSizeLessThanOrEqualTo(12).startsWith(Arrays.copyOf(rated.tokens(), prompt));
        assertThat(Arrays.copyOfRange(beside.tokens(), prompt, beside.tokens().length))
                .isEqualTo(Arrays.copyOf(answer, beside.tokens().length - prompt));
        assertThat(beside.trainedTokens()).isEqualTo(beside.tokens().length - prompt);
    }

    @Test
    void aPairIsUntrainedOnceOneAnswerIsCutAway() {
        ExampleEncoder encoder = encoder(Learning.PAIRS, 6, TURNS);
        TokenizedExample pair = encoder.encode(new Example.Preference(
                new Example.Pair("a", " b"), new Example.Pair("a longer prompt than fits", " b")));
        assertThat(pair.trainedTokens()).isPositive();
        assertThat(pair.isTrained()).isFalse();
        assertThat(encoder.untrainedExamples()).isOne();
    }

    @Test
    void rowsThatTheLossCannotLearnFromAreRefused() {
        Example pair = new Example.Pair("a", "b");
        Example preference = new Example.Preference(new Example.Pair("a", "b"), new Example.Pair("a", "c"));
        assertRefused(Learning.PAIRS, pair, "must have two answers, chosen and rejected");
        assertRefused(Learning.RATINGS, preference, "must have an answer with a label, true or false");
        assertRefused(Learning.TEXT, preference, "set loss.preference.type");
    }

    @Test
    void theSequencesOfAnExampleStandTogetherInABatchThatSaysSo() {
        ExampleEncoder encoder = encoder(Learning.PAIRS, 64, TURNS);
        TokenizedExample first =
                encoder.encode(new Example.Preference(new Example.Pair("a", "b"), new Example.Pair("a", "longer")));
        Batch batch = MicroBatch.preferences(List.of(first, first), 0).batch();
        assertThat(batch.column(Batch.EXAMPLES).longs()).containsExactly(0, 0, 1, 1);
        assertThat(batch.column(Batch.ROLES).longs())
                .containsExactly(
                        SequenceRole.CHOSEN.code(),
                        SequenceRole.REJECTED.code(),
                        SequenceRole.CHOSEN.code(),
                        SequenceRole.REJECTED.code());
        assertThat(batch.column(Batch.LENGTHS).longs())
                .startsWith(first.tokens().length, first.longest().tokens().length);
    }

    private void assertRefused(Learning learning, Example example, String why) {
        assertThatThrownBy(() -> encoder(learning, 64, TURNS).encode(example))
                .isInstanceOf(UnusableExampleException.class)
                .hasMessageContaining(why);
    }

    private ExampleEncoder encoder(Learning learning, int sequenceTokens, String template) {
        ChatTemplate parsed = ChatTemplate.parse(template, new SpecialTokens(Map.of()), TemplateLimits.DEFAULT);
        return new ExampleEncoder(
                tokenizer,
                Optional.of(new ChatEncoder(parsed, tokenizer, TrainOn.ASSISTANT)),
                sequenceTokens,
                learning);
    }

    private String trainedText(TokenizedExample example) {
        long[] trained = Arrays.stream(example.labels())
                .filter(label -> label != Batch.IGNORED)
                .toArray();
        return tokenizer.decode(trained, false);
    }

    private static Example.Reply reply(String answer) {
        String messages = """
                [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "What?"},
                 {"role": "user", "content": "Is it?"}, {"role": "assistant", "content": "%s"}]""".formatted(answer);
        try {
            JsonNode json = new ObjectMapper().readTree(messages);
            return new Example.Reply(json, 3, null);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
