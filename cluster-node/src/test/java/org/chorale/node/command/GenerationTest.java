// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** chorale generate, with the quickstart's model as it is before its training. */
final class GenerationTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String CHAT_TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>"
            + "{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    @TempDir
    private static Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeAll
    static void writeModel() throws IOException {
        Path recipe = Path.of(
                Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
                "deploy/recipes/quickstart/model");
        Path model = Files.createDirectory(folder.resolve("model"));
        for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
            Files.copy(recipe.resolve(name), model.resolve(name));
        }
        Files.writeString(model.resolve("chat_template.jinja"), CHAT_TEMPLATE);
        try (TensorScope scope = new TensorScope();
                ModelFolder random = ModelFolder.random(model, 3)) {
            SafetensorsWriter.write(model.resolve("model.safetensors"), values(random));
        }
        LoraConfig lora = LoraConfig.allLinear(2, 4);
        try (TensorScope scope = new TensorScope();
                ModelFolder adapted = ModelFolder.pretrained(model).adapted(lora, 1)) {
            Map<String, Tensor> values = values(adapted);
            values.forEach((name, value) -> {
                if (name.contains("lora_B")) {
                    value.normal_(0, 1, new GeneratorOptional());
                }
            });
            adapted.adapter()
                    .orElseThrow()
                    .write(folder.resolve("adapter"), name -> Objects.requireNonNull(values.get(name)));
        }
    }

    @Test
    void theStreamIsTheWholeAnswerAndRepeatsItself() throws IOException {
        assertThat(run("", "generate", "model", "--prompt", "abc", "--max-new-tokens", "20"))
                .isZero();
        String streamed = taken();
        assertThat(run("", "generate", "model", "--prompt", "abc", "--max-new-tokens", "20", "--no-stream"))
                .isZero();
        assertThat(taken()).isEqualTo(streamed);
        assertThat(run("", "generate", "model", "--prompt", "abc", "--max-new-tokens", "20", "--json"))
                .isZero();
        JsonNode json = MAPPER.readTree(taken());
        assertThat(json.get("text").asText() + "\n").isEqualTo(streamed);
        assertThat(json.get("end").asText()).isIn("length", "stop");
        assertThat(json.get("ids").size()).isBetween(1, 20);
        assertThat(json.get("prompt_tokens").asInt()).isPositive();
        assertThat(err.toString(StandardCharsets.UTF_8)).isEmpty();
    }

    @Test
    void aSeedRepeatsItsTextAndAnotherOneDoesNot() {
        String first = answer("--seed", "1");
        assertThat(answer("--seed", "1")).isEqualTo(first);
        assertThat(answer("--seed", "2")).isNotEqualTo(first);
        assertThat(answer("--temperature", "1", "--top-k", "1")).isEqualTo(answer());
    }

    @Test
    void theAdapterSpeaksThroughTheModel() {
        assertThat(answer("--adapter", "adapter")).isNotEqualTo(answer());
    }

    @Test
    void aPromptComesFromStandardInput() {
        assertThat(run("abc", "generate", "model", "--prompt", "-", "--max-new-tokens", "20"))
                .isZero();
        assertThat(taken()).isEqualTo(answer());
    }

    @Test
    void aChatRendersThePromptAndTheSystemMessage() throws IOException {
        run("", "generate", "model", "--prompt", "hi", "--chat", "--max-new-tokens", "5", "--json");
        int withoutSystem = MAPPER.readTree(taken()).get("prompt_tokens").asInt();
        run(
                "",
                "generate",
                "model",
                "--prompt",
                "hi",
                "--chat",
                "--system",
                "be brief",
                "--max-new-tokens",
                "5",
                "--json");
        assertThat(MAPPER.readTree(taken()).get("prompt_tokens").asInt()).isGreaterThan(withoutSystem);
        run("", "generate", "model", "--prompt", "hi", "--max-new-tokens", "5", "--json");
        assertThat(MAPPER.readTree(taken()).get("prompt_tokens").asInt()).isLessThan(withoutSystem);
    }

    @Test
    void onATerminalItTalksUntilTheUserHasEnough() {
        Console terminal = console("hello\n\nmore\n/exit\nnever read\n", true);
        assertThat(ChoraleCommand.run(terminal, "generate", "model", "--max-new-tokens", "4"))
                .isZero();
        assertThat(taken().split("> ", -1)).hasSize(5); // asked four times
        assertThat(ChoraleCommand.run(console("", true), "generate", "model")).isZero();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
                    generate model                                  | COMMAND_INVALID   | --prompt is missing
                    generate model --prompt                         | COMMAND_INVALID   | --prompt
                    generate model --prompt a --system b            | COMMAND_INVALID   | --system is part of a conversation
                    generate model --prompt a --temperature -1      | COMMAND_INVALID   | --temperature = -1.0: must be 0 or above
                    generate model --prompt a --top-p 2             | COMMAND_INVALID   | --top-p = 2.0: must be above 0
                    generate model --prompt a --temperature 0 --seed 1 | COMMAND_INVALID | leave --top-k, --top-p and --seed out
                    generate model --prompt a --max-new-tokens 0    | COMMAND_INVALID   | --max-new-tokens = 0: must be at least 1
                    generate nowhere --prompt a                     | FILE_MISSING      | nowhere
                    generate model --prompt a --adapter nowhere     | FILE_MISSING      | nowhere: is not a folder
                    """)
    void whatCannotBeIsWrongInput(String line, String code, String words) {
        assertThat(run("", line.split(" +"))).isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8))
                .startsWith("error [" + code + "] ")
                .contains(words);
        assertThat(out.size()).isZero();
    }

    @Test
    void aPromptLongerThanTheContextIsRefusedWithBothLengths() {
        assertThat(run("", "generate", "model", "--prompt", "ab ".repeat(5000))).isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8))
                .startsWith("error [COMMAND_INVALID] the prompt has ")
                .contains("of the model's context");
    }

    private String answer(String... options) {
        String[] line = {"generate", "model", "--prompt", "abc", "--max-new-tokens", "20"};
        String[] all = Arrays.copyOf(line, line.length + options.length);
        System.arraycopy(options, 0, all, line.length, options.length);
        assertThat(run("", all)).isZero();
        return taken();
    }

    private String taken() {
        String text = out.toString(StandardCharsets.UTF_8);
        out.reset();
        return text;
    }

    private int run(String in, String... line) {
        return ChoraleCommand.run(console(in, false), line);
    }

    private Console console(String in, boolean terminal) {
        return new Console(
                new ByteArrayInputStream(in.getBytes(StandardCharsets.UTF_8)),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                terminal,
                100,
                folder);
    }

    private static Map<String, Tensor> values(ModelFolder model) {
        Map<String, Tensor> values = new LinkedHashMap<>();
        model.units().stream().flatMap(unit -> unit.parameters().stream()).forEach(parameter -> {
            long[] shape = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            Tensor value = HostTensors.zeros(ScalarType.Float, shape);
            model.copyInto(parameter.name(), 0, parameter.elements(), value.view(-1L));
            values.put(parameter.name(), value);
        });
        return values;
    }
}
