// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.data.source.Example;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Batch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExampleEncoderTest {
    private static final long BOS = 0;
    private static final long EOS = 4;

    @TempDir
    Path folder;

    private final TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);

    @AfterEach
    void close() {
        tokenizer.close();
    }

    @Test
    void aTextIsTrainedAsAWholeAndEnds() {
        TokenizedExample text = encoder(64).encode(new Example.Text("Hello, world!", true));
        assertThat(text.tokens()).containsExactly(0, 44, 73, 364, 83, 16, 293, 263, 835, 5, EOS);
        assertThat(untrained(text)).isZero();
        assertThat(text.tokensCut()).isZero();
    }

    @Test
    void aTextThatGoesOnOrHasEndedIsNotEnded() {
        assertThat(encoder(64).encode(new Example.Text("Hello", false)).tokens())
                .isEqualTo(tokenizer.encode("Hello", true));
        assertThat(encoder(64).encode(new Example.Text("Hello<|eot_id|>", true)).tokens())
                .isEqualTo(tokenizer.encode("Hello<|eot_id|>", true))
                .endsWith(EOS);
    }

    @Test
    void onlyTheCompletionOfAPairIsTrained() {
        TokenizedExample pair = encoder(64).encode(new Example.Pair("2+2=", " 4"));
        long[] prompt = tokenizer.encode("2+2=", true);
        assertThat(pair.tokens())
                .isEqualTo(concat(prompt, tokenizer.encode(" 4", false), new long[] {EOS}))
                .startsWith(BOS);
        assertThat(untrained(pair)).isEqualTo(prompt.length);
    }

    @Test
    void anEndThatAPostProcessorAddsIsTakenOffThePromptButNotOneOfThePromptItself() throws IOException {
        try (TextTokenizer ending = endingTokenizer()) {
            ExampleEncoder encoder = new ExampleEncoder(ending, Optional.empty(), 64);
            long[] bare = ending.encode("Hello", false);
            assertThat(encoder.encode(new Example.Pair("Hello", "")).tokens())
                    .isEqualTo(concat(bare, new long[] {EOS}));
            assertThat(encoder.encode(new Example.Text("Hello", true)).tokens())
                    .isEqualTo(concat(bare, new long[] {EOS}));
            assertThat(encoder.encode(new Example.Text("Hello", false)).tokens())
                    .isEqualTo(bare);
        }
        TokenizedExample own = encoder(64).encode(new Example.Pair("Hello<|eot_id|>", "x"));
        assertThat(own.tokens()[untrained(own) - 1]).isEqualTo(EOS);
    }

    @Test
    void whatIsTooLongIsCutAtTheEndAndCounted() {
        TokenizedExample text = encoder(5).encode(new Example.Text("Hello, world!", true));
        assertThat(text.tokens()).containsExactly(0, 44, 73, 364, 83);
        assertThat(text.tokensCut()).isEqualTo(6);
        assertThat(text.trainedTokens()).isPositive();
    }

    @Test
    void ofAVeryLongRowNoMoreIsTokenizedThanASequenceNeeds() {
        String sentence = "Hello, world! ";
        String row = sentence.repeat((20 << 20) / sentence.length());
        long[] start = tokenizer.encode(sentence.repeat(1000), true);
        TokenizedExample text = encoder(512).encode(new Example.Text(row, true));
        assertThat(text.tokens()).isEqualTo(Arrays.copyOf(start, 512));
        assertThat(text.tokensCut())
                .isBetween(start.length - 512L, 1L << 16); // a token is at least one of its characters

        TokenizedExample prompt = encoder(512).encode(new Example.Pair(row, " yes"));
        assertThat(prompt.tokens()).isEqualTo(Arrays.copyOf(start, 512));
        assertThat(prompt.trainedTokens()).isZero();
        assertThat(prompt.tokensCut()).isLessThan(1 << 16);

        long[] question = tokenizer.encode("2+2=", true);
        TokenizedExample completion = encoder(512).encode(new Example.Pair("2+2=", row));
        assertThat(completion.tokens())
                .isEqualTo(Arrays.copyOf(concat(question, tokenizer.encode(sentence.repeat(1000), false)), 512));
        assertThat(untrained(completion)).isEqualTo(question.length);
        assertThat(completion.tokensCut()).isLessThan(1 << 16);
    }

    @Test
    void anExampleWithoutATokenToTrainStaysAndIsCounted() {
        ExampleEncoder encoder = encoder(5);
        TokenizedExample pair = encoder.encode(new Example.Pair("Hello, world!", " yes"));
        assertThat(pair.tokens()).hasSize(5);
        assertThat(pair.trainedTokens()).isZero();
        assertThat(encoder.untrainedExamples()).isEqualTo(1);
        MicroBatch batch = MicroBatch.of(List.of(pair), EOS);
        assertThat(labels(batch)).containsOnly(Batch.IGNORED).hasSize(5);
    }

    @Test
    void rowsArePaddedOnTheRightToTheLongest() {
        MicroBatch batch = MicroBatch.of(
                List.of(
                        TokenizedExample.trainedFrom(1, new long[] {1, 2, 3}, 2),
                        TokenizedExample.trainedFrom(0, new long[] {5}, 0),
                        TokenizedExample.trainedFrom(2, new long[] {6, 7}, 1)),
                9);
        assertThat(batch.batch().column(Batch.TOKENS).shape()).containsExactly(3, 3);
        assertThat(batch.batch().column(Batch.LABELS).shape()).containsExactly(3, 3);
        assertThat(batch.batch().column(Batch.TOKENS).longs()).containsExactly(1, 2, 3, 5, 9, 9, 6, 7, 9);
        assertThat(labels(batch)).containsExactly(-100, 2, 3, 5, -100, -100, -100, -100, -100);
        assertThat(batch.tokens()).isEqualTo(6);
        assertThat(batch.tokensCut()).isEqualTo(3);
    }

    @Test
    void aMicroBatchOfNothingHasAShape() {
        MicroBatch batch = MicroBatch.of(List.of(), 9);
        assertThat(batch.batch().column(Batch.TOKENS).shape()).containsExactly(0, 1);
        assertThat(batch.batch().column(Batch.LABELS).bytes()).isEmpty();
        assertThat(batch.tokens()).isZero();
    }

    @Test
    void aMicroBatchThatNoArrayCanHoldIsRefused() {
        TokenizedExample example = TokenizedExample.trainedFrom(0, new long[1 << 15], 0);
        assertThatThrownBy(() -> MicroBatch.of(Collections.nCopies(1 << 17, example), 9)) // 2³², which wraps to 0
                .isInstanceOf(ArithmeticException.class);
    }

    private ExampleEncoder encoder(int sequenceTokens) {
        return new ExampleEncoder(tokenizer, Optional.empty(), sequenceTokens);
    }

    /** The byte-level tokenizer, with a post-processor that ends every text. */
    private TextTokenizer endingTokenizer() throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode json = (ObjectNode)
                mapper.readTree(Tokenizers.byteLevel().resolve("tokenizer.json").toFile());
        json.set(
                "post_processor",
                mapper.readTree(
                        "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                                + "{\"SpecialToken\":{\"id\":\"<|eot_id|>\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":"
                                + "{\"<|eot_id|>\":{\"id\":\"<|eot_id|>\",\"ids\":[4],\"tokens\":[\"<|eot_id|>\"]}}}"));
        Files.writeString(folder.resolve("tokenizer.json"), json.toString());
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|eot_id|>\"}");
        return TextTokenizer.load(folder, null);
    }

    /** How many tokens at the beginning are not trained. */
    private static int untrained(TokenizedExample example) {
        int untrained = 0;
        while (untrained < example.labels().length && example.labels()[untrained] == Batch.IGNORED) {
            untrained++;
        }
        assertThat(Arrays.copyOfRange(example.labels(), untrained, example.labels().length))
                .isEqualTo(Arrays.copyOfRange(example.tokens(), untrained, example.tokens().length));
        return untrained;
    }

    private static long[] labels(MicroBatch batch) {
        return batch.batch().column(Batch.LABELS).longs();
    }

    private static long[] concat(long[]... parts) {
        return List.of(parts).stream().flatMapToLong(LongStream::of).toArray();
    }
}
