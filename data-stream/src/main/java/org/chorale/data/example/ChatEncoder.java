// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.List;
import org.chorale.data.source.Example;
import org.chorale.data.source.Messages;
import org.chorale.data.source.RowJson;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.template.RenderedChat;
import org.chorale.data.template.Span;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.TokenSpans;
import org.chorale.proto.batch.Batch;
import org.jspecify.annotations.Nullable;

/**
 * Renders conversations and tokenizes what comes out. The template writes the special tokens itself, so that the
 * tokenizer adds none, as in Transformers. Safe to use from many threads.
 */
public final class ChatEncoder {
    private final ChatTemplate template;
    private final TextTokenizer tokenizer;
    private final TrainOn trainOn;

    public ChatEncoder(ChatTemplate template, TextTokenizer tokenizer, TrainOn trainOn) {
        this.template = template;
        this.tokenizer = tokenizer;
        this.trainOn = trainOn;
    }

    /**
     * Tokens of a conversation; of a long one at least the first {@code tokens}.
     *
     * @throws UnusableExampleException where the template refuses it, or nothing of it would be trained
     */
    TokenizedExample encode(Example.Chat chat, int tokens) {
        return encode(render(chat.messages(), chat.tools()), tokens);
    }

    /**
     * Likewise, but of the conversation only the reply is trained.
     *
     * @throws UnusableExampleException also where the template writes what is said before otherwise when a reply follows
     */
    TokenizedExample encode(Example.Reply reply, int tokens) {
        return encode(render(reply), tokens);
    }

    private TokenizedExample encode(RenderedChat rendered, int tokens) {
        int chars = rendered.text().length();
        if (tokens == Integer.MAX_VALUE && chars > ExampleEncoder.MAX_WHOLE_CHARS) {
            throw ExampleEncoder.tooLong(chars);
        }
        TokenSpans spans = tokenizer.encodeSpansStart(rendered.text(), false, tokens);
        return new TokenizedExample(spans.ids(), labels(rendered, spans), 0);
    }

    /** The text of a conversation, with what of it is trained. */
    RenderedChat render(JsonNode messages, @Nullable JsonNode tools) {
        if (trainOn == TrainOn.ASSISTANT && !Messages.hasAssistant(messages)) {
            throw new UnusableExampleException(
                    "messages has no message with role assistant, so that nothing is trained");
        }
        try {
            RenderedChat rendered = trainOn == TrainOn.ALL
                    ? whole(template.render(messages, tools, false))
                    : template.renderForTraining(messages, tools);
            refuseBroken(rendered.text());
            return rendered;
        } catch (TemplateException e) {
            throw new UnusableExampleException("the chat template refuses the row: " + e.getMessage());
        }
    }

    private RenderedChat render(Example.Reply reply) {
        RenderedChat whole = render(reply.messages(), reply.tools());
        int begin = reply.promptMessages() == 0 ? 0 : promptChars(reply, whole.text());
        List<Span> answered = whole.trained().stream()
                .filter(span -> span.until() > begin)
                .map(span -> new Span(Math.max(begin, span.from()), span.until()))
                .toList();
        if (answered.isEmpty()) {
            throw new UnusableExampleException("the answer has no message with role assistant, so that nothing counts");
        }
        return new RenderedChat(whole.text(), answered);
    }

    /** Where the answer begins: behind what asks the assistant for it, if the template ends a prompt so. */
    private int promptChars(Example.Reply reply, String text) {
        ArrayNode prompt = JsonNodeFactory.instance.arrayNode();
        for (int i = 0; i < reply.promptMessages(); i++) {
            prompt.add(reply.messages().get(i));
        }
        for (boolean asks : new boolean[] {true, false}) {
            String before = rendered(prompt, reply.tools(), asks);
            if (text.startsWith(before)) {
                return before.length();
            }
        }
        throw new UnusableExampleException("the chat template writes the prompt otherwise when an answer follows it, so"
                + " that the tokens of the two cannot be told apart");
    }

    private String rendered(JsonNode messages, @Nullable JsonNode tools, boolean addGenerationPrompt) {
        try {
            return template.render(messages, tools, addGenerationPrompt).text();
        } catch (TemplateException e) {
            throw new UnusableExampleException("the chat template refuses the prompt: " + e.getMessage());
        }
    }

    private static RenderedChat whole(RenderedChat rendered) {
        return new RenderedChat(
                rendered.text(), List.of(new Span(0, rendered.text().length())));
    }

    private static void refuseBroken(String text) {
        if (text.isEmpty()) {
            throw new UnusableExampleException("the chat template renders the row to nothing");
        }
        int lone = RowJson.unpairedSurrogate(text);
        if (lone >= 0) {
            throw new UnusableExampleException(
                    "the row renders to an unpaired surrogate \\u%04x; must be whole characters"
                            .formatted((int) text.charAt(lone)));
        }
    }

    private static long[] labels(RenderedChat rendered, TokenSpans spans) {
        boolean[] trained = TrainedTokens.mask(rendered, spans);
        long[] labels = new long[trained.length];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = trained[i] ? spans.ids()[i] : Batch.IGNORED;
        }
        return labels;
    }
}
