// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.request;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Supplier;
import org.chorale.data.example.TrainedTokens;
import org.chorale.data.source.Example;
import org.chorale.data.source.LineReader;
import org.chorale.data.source.MalformedRowException;
import org.chorale.data.source.Messages;
import org.chorale.data.source.RowJson;
import org.chorale.data.template.AmbiguousTurnsException;
import org.chorale.data.template.ChatTemplate;
import org.chorale.data.template.RenderedChat;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.TokenSpans;
import org.chorale.proto.fault.FaultException;

/**
 * Answers each line, {@code {"text": …}} or {@code {"messages": […], "add_generation_prompt": …, "tools": …}}, with
 * {@code {"ids": […], "text": …, "trained": […]}} or {@code {"error": …}}, in order and at once, so that another program
 * can ask line by line. Holds one line at a time.
 */
public final class LineTokenizer {
    private static final int MAX_LINE_BYTES = 16 << 20;

    /** The tokenizers library takes hundreds of bytes per character. */
    private static final int MAX_CHARS = 4 << 20;

    private static final Set<String> TEXTS = Set.of("text");
    private static final Set<String> TREES = Set.of("messages", "tools", "add_generation_prompt");
    private static final String RIGHT = "must be {\"text\": …} or {\"messages\": […]}";

    private final TextTokenizer tokenizer;
    private final Supplier<ChatTemplate> template;
    private final boolean specialTokens;

    /**
     * @param template asked for at each line with messages; throws where there is none
     * @param specialTokens whether texts get what the tokenizer's post-processor adds
     */
    public LineTokenizer(TextTokenizer tokenizer, Supplier<ChatTemplate> template, boolean specialTokens) {
        this.tokenizer = tokenizer;
        this.template = template;
        this.specialTokens = specialTokens;
    }

    /**
     * Answers until the input ends, or nobody reads the answers any more.
     *
     * @return whether no line failed
     * @throws IOException where the input cannot be read
     */
    public boolean answer(InputStream in, PrintStream out) throws IOException {
        LineReader lines = new LineReader(in, MAX_LINE_BYTES);
        JsonGenerator json = new JsonFactory()
                .createGenerator(out)
                .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
                .setRootValueSeparator(null);
        boolean allWell = true;
        while (!out.checkError() && lines.next()) {
            Answer answer = answer(lines);
            allWell &= answer instanceof Answer.Tokens;
            answer.write(json);
            json.writeRaw('\n');
            json.flush();
        }
        return allWell;
    }

    private Answer answer(LineReader lines) {
        try {
            if (lines.tooLong()) {
                throw new MalformedRowException("the line is longer than 16 MiB; must be shorter");
            } else if (lines.blank()) {
                throw new MalformedRowException("the line is empty; " + RIGHT);
            }
            return answer(RowJson.parse(lines.line(), TEXTS, TREES));
        } catch (MalformedRowException | TemplateException e) {
            return new Answer.Problem(String.valueOf(e.getMessage()));
        } catch (FaultException e) {
            return new Answer.Problem(e.fault().message());
        }
    }

    private Answer answer(RowJson line) throws MalformedRowException {
        String text = line.text("text");
        JsonNode messages = line.tree("messages");
        if (text != null && messages == null) {
            return tokens(text);
        } else if (text == null && messages != null) {
            return tokens(Messages.chat(messages, line.tree("tools")), generationPrompt(line));
        }
        throw new MalformedRowException(
                text == null
                        ? "the line has neither text nor messages; " + RIGHT
                        : "the line has text and messages; " + RIGHT);
    }

    private Answer tokens(String text) throws MalformedRowException {
        long[] ids = tokenizer.encode(checked(text), specialTokens);
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, true);
        return new Answer.Tokens(ids, text, trained);
    }

    private Answer tokens(Example.Chat chat, boolean generationPrompt) throws MalformedRowException {
        return generationPrompt ? prompt(chat) : training(chat);
    }

    private Answer training(Example.Chat chat) throws MalformedRowException {
        RenderedChat rendered = template.get().renderForTraining(chat.messages(), chat.tools());
        TokenSpans spans = tokenizer.encodeSpans(checked(rendered.text()), false);
        return new Answer.Tokens(spans.ids(), rendered.text(), TrainedTokens.mask(rendered, spans));
    }

    /** What is asked for an answer: of it, what the assistant said before is trained, if that can be told. */
    private Answer prompt(Example.Chat chat) throws MalformedRowException {
        RenderedChat rendered = template.get().render(chat.messages(), chat.tools(), true);
        TokenSpans spans = tokenizer.encodeSpans(checked(rendered.text()), false);
        if (!Messages.hasAssistant(chat.messages())) {
            return new Answer.Tokens(spans.ids(), rendered.text(), new boolean[spans.ids().length]);
        }
        try {
            RenderedChat training = template.get().renderForTraining(chat.messages(), chat.tools());
            boolean continues = rendered.text().startsWith(training.text());
            RenderedChat marked = new RenderedChat(rendered.text(), training.trained());
            return new Answer.Tokens(
                    spans.ids(), rendered.text(), continues ? TrainedTokens.mask(marked, spans) : null);
        } catch (AmbiguousTurnsException e) {
            return new Answer.Tokens(spans.ids(), rendered.text(), null);
        }
    }

    private static boolean generationPrompt(RowJson line) throws MalformedRowException {
        JsonNode asked = line.tree("add_generation_prompt");
        if (asked == null || asked.isBoolean()) {
            return asked != null && asked.booleanValue();
        }
        throw new MalformedRowException("field add_generation_prompt is %s; must be true or false".formatted(asked));
    }

    private static String checked(String text) throws MalformedRowException {
        if (text.length() > MAX_CHARS) {
            throw new MalformedRowException(
                    "the text has %d characters; must have at most %d".formatted(text.length(), MAX_CHARS));
        } else if (RowJson.unpairedSurrogate(text) >= 0) {
            throw new MalformedRowException("the text has an unpaired surrogate; must be whole characters");
        }
        return text;
    }
}
