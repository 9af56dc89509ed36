// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.model.ModelFolder;
import org.chorale.model.generation.Generator;
import org.chorale.model.generation.Sampler;
import org.chorale.model.generation.Sampling;
import org.chorale.model.generation.StopTokens;
import org.chorale.node.command.Speaker.Manner;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;

/** {@code chorale generate}. */
record Generation(Console console, boolean json, GenerationOptions options) {
    /** Longer than what any model reads. */
    private static final int MAX_PROMPT_BYTES = 64 << 20;

    private static final String STANDARD_INPUT = "-";
    private static final String EXIT = "/exit";

    int run(Path model) {
        Sampling sampling = options.sampling();
        refuseWhatDoesNotFit();
        Optional<String> prompt = options.prompt.map(this::text);
        Path folder = console.currentFolder().resolve(model).normalize();
        try (ModelFolder source = open(folder);
                TextTokenizer tokenizer = TextTokenizer.load(folder, folder);
                ModelShard shard = ModelShard.frozen(source, Precision.FP32, Device.CPU);
                Generator generator = new Generator(
                        shard.model(), stops(folder, tokenizer), source.config().contextTokens())) {
            Speaker speaker = new Speaker(
                    console,
                    tokenizer,
                    generator,
                    new Sampler(sampling),
                    source.config().vocabulary(),
                    manner());
            if (prompt.isPresent()) {
                speaker.answer(tokens(tokenizer, folder, prompt.get()), options.maxNewTokens);
            } else {
                talk(speaker, tokenizer, ChatTemplate.load(folder, Optional.empty()));
            }
        }
        return ExitCode.DONE;
    }

    private void refuseWhatDoesNotFit() {
        List<String> problems = new ArrayList<>();
        if (options.prompt.isEmpty() && (json || !console.terminal())) {
            problems.add("--prompt is missing: give a text, or - for standard input; a conversation needs a terminal");
        }
        if (options.prompt.isPresent() && !options.chat && options.system.isPresent()) {
            problems.add("--system is part of a conversation: give --chat too");
        }
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.COMMAND_INVALID, String.join("\n", problems));
        }
    }

    private ModelFolder open(Path folder) {
        ModelFolder model = ModelFolder.pretrained(folder);
        return options.adapter
                .map(adapter ->
                        model.adapted(console.currentFolder().resolve(adapter).normalize()))
                .orElse(model);
    }

    private static Set<Long> stops(Path folder, TextTokenizer tokenizer) {
        Set<Long> stops = StopTokens.of(folder);
        return stops.isEmpty() ? Set.of(tokenizer.eos()) : stops;
    }

    private Manner manner() {
        if (json) {
            return Manner.JSON;
        }
        return options.whole ? Manner.WHOLE : Manner.STREAM;
    }

    private String text(String prompt) {
        if (!prompt.equals(STANDARD_INPUT)) {
            return prompt;
        }
        try {
            byte[] bytes = console.in().readNBytes(MAX_PROMPT_BYTES + 1);
            if (bytes.length > MAX_PROMPT_BYTES) {
                throw new FaultException(
                        FaultCode.COMMAND_INVALID, "standard input has more than " + MAX_PROMPT_BYTES + " bytes");
            }
            return new String(bytes, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("standard input could not be read: " + e.getMessage(), e);
        }
    }

    private long[] tokens(TextTokenizer tokenizer, Path folder, String prompt) {
        if (options.chat) {
            ArrayNode messages = conversation();
            say(messages, "user", prompt);
            return rendered(tokenizer, ChatTemplate.load(folder, Optional.empty()), messages);
        }
        long[] tokens = tokenizer.encode(prompt, true);
        // What would end the text before it begins is left out.
        return tokenizer.addsEos() ? Arrays.copyOf(tokens, tokens.length - 1) : tokens;
    }

    /** Until the user has enough. */
    private void talk(Speaker speaker, TextTokenizer tokenizer, ChatTemplate template) {
        BufferedReader lines = new BufferedReader(new InputStreamReader(console.in(), StandardCharsets.UTF_8));
        ArrayNode messages = conversation();
        console.err().println(EXIT + " or Ctrl-D ends the conversation");
        Optional<String> line = ask(lines);
        while (line.isPresent() && !line.get().strip().equals(EXIT)) {
            if (!line.get().isBlank()) {
                say(messages, "user", line.get());
                String answer = speaker.answer(rendered(tokenizer, template, messages), options.maxNewTokens);
                say(messages, "assistant", answer);
            }
            line = ask(lines);
        }
    }

    private Optional<String> ask(BufferedReader lines) {
        console.out().print("> ");
        console.out().flush();
        try {
            return Optional.ofNullable(lines.readLine());
        } catch (IOException e) {
            throw new UncheckedIOException("standard input could not be read: " + e.getMessage(), e);
        }
    }

    private ArrayNode conversation() {
        ArrayNode messages = JsonNodeFactory.instance.arrayNode();
        options.system.ifPresent(text -> say(messages, "system", text));
        return messages;
    }

    private static void say(ArrayNode messages, String role, String content) {
        messages.addObject().put("role", role).put("content", content);
    }

    private static long[] rendered(TextTokenizer tokenizer, ChatTemplate template, ArrayNode messages) {
        try {
            return tokenizer.encode(template.render(messages, null, true).text(), false);
        } catch (TemplateException e) {
            throw new FaultException(
                    FaultCode.COMMAND_INVALID, "the chat template refuses the conversation: " + e.getMessage(), e);
        }
    }
}
