// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.model.generation.Generator;
import org.chorale.model.generation.Generator.End;
import org.chorale.model.generation.Sampler;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Prints what a model says: while it comes, at its end, or as one JSON object. */
final class Speaker {
    /** How an answer is printed. */
    enum Manner {
        STREAM,
        WHOLE,
        JSON
    }

    private final Console console;
    private final TextTokenizer tokenizer;
    private final Generator generator;
    private final Sampler sampler;
    private final long vocabulary;
    private final Manner manner;

    /** @param vocabulary tokens that the model knows */
    Speaker(
            Console console,
            TextTokenizer tokenizer,
            Generator generator,
            Sampler sampler,
            long vocabulary,
            Manner manner) {
        this.console = console;
        this.tokenizer = tokenizer;
        this.generator = generator;
        this.sampler = sampler;
        this.vocabulary = vocabulary;
        this.manner = manner;
    }

    /**
     * Prints the answer to a prompt, and a line's end.
     *
     * @return its text
     * @throws FaultException where the model cannot read the prompt
     */
    String answer(long[] prompt, long maxNewTokens) {
        refuseUnknownTokens(prompt);
        List<Long> tokens = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        TextStream stream = new TextStream(ids -> tokenizer.decode(ids, true), part -> {
            text.append(part);
            if (manner == Manner.STREAM) {
                console.out().print(printable(part));
                console.out().flush();
            }
        });
        End end = generate(prompt, maxNewTokens, token -> {
            tokens.add(token);
            stream.add(token);
            return !console.out().checkError(); // nobody listens any more: the pipe is closed
        });
        stream.end();
        switch (manner) {
            case STREAM -> console.out().println();
            case WHOLE -> console.out().println(printable(text.toString()));
            case JSON -> console.out().println(json(prompt, tokens, text.toString(), end));
        }
        return text.toString();
    }

    private End generate(long[] prompt, long maxNewTokens, Generator.Listener listener) {
        try {
            return generator.generate(prompt, maxNewTokens, sampler, listener);
        } catch (IllegalArgumentException e) {
            throw new FaultException(FaultCode.COMMAND_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    private void refuseUnknownTokens(long[] prompt) {
        long largest = LongStream.of(prompt).max().orElse(0);
        if (largest >= vocabulary) {
            throw new FaultException(
                    FaultCode.TOKENIZER_INVALID,
                    "the tokenizer gives token %d, but the model's vocab_size is %d; is it the model's own tokenizer?"
                            .formatted(largest, vocabulary));
        }
    }

    /** On a terminal without control characters: whoever wrote the weights does not steer it. */
    private String printable(String text) {
        return console.terminal() ? text.replaceAll("[\\p{Cc}&&[^\\n\\t]]", "\uFFFD") : text;
    }

    private static ObjectNode json(long[] prompt, List<Long> tokens, String text, End end) {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("text", text)
                .put("end", end.name().toLowerCase(Locale.ROOT))
                .put("prompt_tokens", prompt.length);
        ArrayNode ids = json.putArray("ids");
        tokens.forEach(ids::add);
        return json;
    }
}
