// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.request;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.io.SequenceInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LineTokenizerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CHAT = "[{\"role\": \"user\", \"content\": \"Größe 🙂?\"},"
            + " {\"role\": \"assistant\", \"content\": \"Two 🙂\"}, {\"role\": \"user\", \"content\": \"Ok\"}]";

    private final TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);

    @AfterEach
    void close() {
        tokenizer.close();
    }

    @Test
    void aTextIsTrainedAsAWhole() throws IOException {
        JsonNode answer = answers(true, "{\"text\": \"Hello, world!\"}").get(0);
        assertThat(ids(answer)).isEqualTo(tokenizer.encode("Hello, world!", true));
        assertThat(answer.get("text").asText()).isEqualTo("Hello, world!");
        assertThat(answer.get("trained")).hasSize(ids(answer).length).allMatch(one -> one.asInt() == 1);
        assertThat(answer.size()).isEqualTo(3);
    }

    @Test
    void specialTokensOfATextCanBeLeftOut() throws IOException {
        JsonNode answer = answers(false, "{\"text\": \"Hello\"}").get(0);
        assertThat(ids(answer)).isEqualTo(tokenizer.encode("Hello", false));
        JsonNode empty = answers(false, "{\"text\": \"\"}").get(0);
        assertThat(empty).hasToString("{\"ids\":[],\"text\":\"\",\"trained\":[]}");
    }

    @Test
    void ofAConversationTheAssistantIsTrained() throws IOException {
        JsonNode answer = answers(true, "{\"messages\": " + CHAT + "}").get(0);
        String text = """
                <|im_start|>user
                Größe 🙂?<|im_end|>
                <|im_start|>assistant
                Two 🙂<|im_end|>
                <|im_start|>user
                Ok<|im_end|>
                """;
        assertThat(answer.get("text").asText()).isEqualTo(text);
        assertThat(ids(answer)).isEqualTo(tokenizer.encode(text, false));
        assertThat(trainedText(answer)).isEqualTo("Two 🙂<|im_end|>");
    }

    @Test
    void aPromptForAnAnswerEndsWithItsBeginningAndKeepsWhatWasSaid() throws IOException {
        JsonNode answer = answers(true, "{\"messages\": " + CHAT + ", \"add_generation_prompt\": true}")
                .get(0);
        assertThat(answer.get("text").asText()).endsWith("Ok<|im_end|>\n<|im_start|>assistant\n");
        assertThat(trainedText(answer)).isEqualTo("Two 🙂<|im_end|>");
        JsonNode first = answers(
                        true,
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}")
                .get(0);
        assertThat(first.get("trained")).isNotEmpty().allMatch(one -> one.asInt() == 0);
    }

    @Test
    void everyLineThatFailsIsAnsweredWithItsErrorAndTheRestGoesOn() throws IOException {
        List<String> bad = List.of(
                "",
                "   ",
                "nonsense",
                "[]",
                "7",
                "{\"text\": \"x\"",
                "{\"text\": \"x\"} {}",
                "{}",
                "{\"text\": 7}",
                "{\"text\": null}",
                "{\"text\": \"a\\ud800\"}",
                "{\"text\": \"x\", \"text\": \"y\"}",
                "{\"text\": \"x\", \"messages\": []}",
                "{\"messages\": []}",
                "{\"messages\": {}}",
                "{\"messages\": [7]}",
                "{\"messages\": [{\"content\": \"x\"}]}",
                "{\"messages\": [{\"role\": \"bad\", \"content\": \"x\"}]}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}",
                "{\"messages\": " + CHAT + ", \"add_generation_prompt\": \"yes\"}",
                "{\"messages\": " + CHAT + ", \"tools\": 7}",
                "[".repeat(200) + "]".repeat(200));
        List<String> lines = bad.stream()
                .flatMap(line -> List.of(line, "{\"text\": \"Hello\"}").stream())
                .toList();
        List<JsonNode> answers = answers(true, lines.toArray(String[]::new));
        assertThat(answers).hasSize(lines.size());
        for (int i = 0; i < bad.size(); i++) {
            JsonNode error = answers.get(2 * i);
            assertThat(error.size()).as(bad.get(i)).isEqualTo(1);
            assertThat(error.path("error").asText()).as(bad.get(i)).isNotBlank();
            assertThat(answers.get(2 * i + 1).has("ids")).isTrue();
        }
        assertThat(answers.get(2 * 17).path("error").asText()).contains("Unknown role bad");
    }

    @Test
    void bytesThatAreNoTextAndALineThatIsTooLongAreErrors() throws IOException {
        InputStream in = new SequenceInputStream(
                new ByteArrayInputStream(new byte[] {'{', (byte) 0xFF, '}', '\n'}),
                bytes("x".repeat(20 << 20) + "\n{\"text\": \"Hello\"}"));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThat(lines(true).answer(in, print(out))).isFalse();
        List<JsonNode> answers = parsed(out);
        assertThat(answers).hasSize(3);
        assertThat(answers.get(0).path("error").asText()).contains("not valid UTF-8");
        assertThat(answers.get(1).path("error").asText()).contains("longer than 16 MiB");
        assertThat(answers.get(2).has("ids")).isTrue();
    }

    @Test
    void aLineIsAnsweredBeforeTheNextIsWritten() throws Exception {
        PipedOutputStream asks = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(asks);
        PipedInputStream answers = new PipedInputStream();
        PipedOutputStream out = new PipedOutputStream(answers);
        ExecutorService reader = Executors.newSingleThreadExecutor(); // a pipe minds that its reader lives
        CompletableFuture<Boolean> well = CompletableFuture.supplyAsync(() -> {
            try (PrintStream print = print(out)) {
                return lines(true).answer(in, print);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        for (int i = 0; i < 3; i++) {
            asks.write("{\"text\": \"Hello\"}\n".getBytes(StandardCharsets.UTF_8));
            asks.flush();
            CompletableFuture<String> answer = CompletableFuture.supplyAsync(() -> line(answers), reader);
            assertThat(answer.get(20, TimeUnit.SECONDS)).startsWith("{\"ids\":[");
        }
        asks.close();
        assertThat(well.get(20, TimeUnit.SECONDS)).isTrue();
        reader.shutdownNow();
    }

    @Test
    void itEndsQuietlyWhereNobodyReadsTheAnswers() throws IOException {
        OutputStream broken = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("Broken pipe");
            }
        };
        InputStream endless = new InputStream() {
            private final byte[] line = "{\"text\": \"Hello\"}\n".getBytes(StandardCharsets.UTF_8);
            private int at;

            @Override
            public int read() {
                return line[at++ % line.length];
            }

            @Override
            public int read(byte[] buffer, int offset, int length) {
                for (int i = 0; i < length; i++) {
                    buffer[offset + i] = (byte) read();
                }
                return length;
            }
        };
        assertThat(lines(true).answer(endless, print(broken))).isTrue();
    }

    private LineTokenizer lines(boolean specialTokens) {
        ChatTemplate template = ChatTemplate.load(Tokenizers.byteLevel(), Optional.of(Tokenizers.chatml()));
        return new LineTokenizer(tokenizer, () -> template, specialTokens);
    }

    private List<JsonNode> answers(boolean specialTokens, String... lines) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        boolean well = lines(specialTokens).answer(bytes(String.join("\n", lines) + "\n"), print(out));
        List<JsonNode> answers = parsed(out);
        assertThat(well).isEqualTo(answers.stream().noneMatch(answer -> answer.has("error")));
        return answers;
    }

    private String trainedText(JsonNode answer) {
        long[] ids = ids(answer);
        long[] trained = IntStream.range(0, ids.length)
                .filter(i -> answer.get("trained").get(i).asInt() == 1)
                .mapToLong(i -> ids[i])
                .toArray();
        return tokenizer.decode(trained, false);
    }

    private static long[] ids(JsonNode answer) {
        return StreamSupport.stream(answer.get("ids").spliterator(), false)
                .mapToLong(JsonNode::asLong)
                .toArray();
    }

    private static List<JsonNode> parsed(ByteArrayOutputStream out) {
        return out.toString(StandardCharsets.UTF_8)
                .lines()
                .map(line -> {
                    try {
                        return JSON.readTree(line);
                    } catch (IOException e) {
                        throw new IllegalStateException(line, e);
                    }
                })
                .toList();
    }

    private static String line(InputStream in) {
        try {
            StringBuilder line = new StringBuilder();
            for (int c = in.read(); c >= 0 && c != '\n'; c = in.read()) {
                line.append((char) c);
            }
            return line.toString();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ByteArrayInputStream bytes(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static PrintStream print(OutputStream out) {
        return new PrintStream(out, false, StandardCharsets.UTF_8);
    }
}
