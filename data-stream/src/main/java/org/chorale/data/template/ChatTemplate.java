// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.template.builtin.Globals;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.template.syntax.Parser;
import org.chorale.data.template.value.JsonValues;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * The chat template of a model: parsed once, rendered as often as one likes, by any number of threads. It renders as
 * Transformers does, which runs Jinja2's immutable sandbox with {@code trim_blocks} and {@code lstrip_blocks}.
 */
public final class ChatTemplate {
    private final Parser.Parsed usual;
    private final Parser.Parsed withTools;
    private final TemplateLimits limits;
    private final SpecialTokens tokens;
    private final Clock clock;

    private ChatTemplate(
            Parser.Parsed usual, Parser.Parsed withTools, SpecialTokens tokens, TemplateLimits limits, Clock clock) {
        this.usual = usual;
        this.withTools = withTools;
        this.tokens = tokens;
        this.limits = limits;
        this.clock = clock;
    }

    /**
     * Parses a template.
     *
     * @throws TemplateException where it is none, or is beyond the limits
     */
    public static ChatTemplate parse(String source, SpecialTokens tokens, TemplateLimits limits) {
        Parser.Parsed parsed = parsed(source, limits);
        return new ChatTemplate(parsed, parsed, tokens, limits, Clock.system(ZoneId.systemDefault()));
    }

    /**
     * Loads the template of a tokenizer.
     *
     * @param tokenizerFolder with {@code chat_template.jinja} or a {@code chat_template} in {@code tokenizer_config.json},
     *     which also names the special tokens
     * @param templateFile instead of the folder's own template
     * @throws org.chorale.proto.fault.FaultException TOKENIZER_INVALID where a file is missing or malformed
     */
    public static ChatTemplate load(Path tokenizerFolder, Optional<Path> templateFile) {
        ChatTemplateFiles files = ChatTemplateFiles.read(tokenizerFolder, templateFile);
        TemplateLimits limits = TemplateLimits.DEFAULT;
        Parser.Parsed usual = files.usual().parsed(limits);
        Parser.Parsed withTools =
                files.withTools().map(source -> source.parsed(limits)).orElse(usual);
        return new ChatTemplate(usual, withTools, files.tokens(), limits, Clock.system(ZoneId.systemDefault()));
    }

    static Parser.Parsed parsed(String source, TemplateLimits limits) {
        try {
            return Parser.parse(source, limits);
        } catch (StackOverflowError e) {
            throw tooDeep();
        }
    }

    /** The depth that the limits allow needs more stack than this thread has left. */
    static TemplateException tooDeep() {
        return TemplateException.limit("the template is nested too deep");
    }

    /** The same template with another clock, by which {@code strftime_now} tells the day. */
    public ChatTemplate at(Clock other) {
        return new ChatTemplate(usual, withTools, tokens, limits, other);
    }

    /**
     * Renders a conversation.
     *
     * @param messages an array of objects, most often with {@code role} and {@code content}
     * @param tools an array of what the assistant may call; null for none
     * @param addGenerationPrompt whether the text ends with what begins the assistant's next message
     * @throws TemplateException where the template fails or is beyond its limits
     */
    public RenderedChat render(JsonNode messages, @Nullable JsonNode tools, boolean addGenerationPrompt) {
        return render(messages, tools, addGenerationPrompt, Map.of());
    }

    /** As {@link #render(JsonNode, JsonNode, boolean)}, with more variables, as Transformers takes as keywords. */
    public RenderedChat render(
            JsonNode messages, @Nullable JsonNode tools, boolean addGenerationPrompt, Map<String, JsonNode> variables) {
        Conversation conversation = conversation(messages, tools, variables);
        String text = conversation
                .render(conversation.messages(), addGenerationPrompt)
                .text();
        return new RenderedChat(text, List.of());
    }

    /**
     * Renders a conversation, and says what of its text the loss counts: the assistant's turns, with what ends them.
     *
     * @throws AmbiguousTurnsException where the template does not tell
     * @throws TemplateException where the template fails or is beyond its limits
     */
    public RenderedChat renderForTraining(JsonNode messages, @Nullable JsonNode tools) {
        return renderForTraining(messages, tools, Map.of());
    }

    /** As {@link #renderForTraining(JsonNode, JsonNode)}, with more variables. */
    public RenderedChat renderForTraining(
            JsonNode messages, @Nullable JsonNode tools, Map<String, JsonNode> variables) {
        Parser.Parsed template = tools == null ? usual : withTools;
        return new TrainedTurns(conversation(messages, tools, variables), template.hasGeneration()).find();
    }

    private Conversation conversation(JsonNode messages, @Nullable JsonNode tools, Map<String, JsonNode> variables) {
        long deadlineNanos = System.nanoTime() + limits.time().toNanos();
        Budget budget = new Budget(limits, deadlineNanos);
        Map<String, Value> all = new HashMap<>(Globals.all(clock));
        tokens.byName().forEach((name, token) -> all.put(name, StrValue.of(token)));
        all.put("tools", tools == null ? NoneValue.NONE : JsonValues.of(tools, budget));
        all.put("documents", NoneValue.NONE);
        variables.forEach((name, value) -> all.put(name, JsonValues.of(value, budget)));
        if (!(JsonValues.of(messages, budget) instanceof ListValue list)) {
            throw TemplateException.operation("messages must be an array of objects");
        }
        Parser.Parsed template = tools == null ? usual : withTools;
        return new Conversation(template.body(), limits, all, list.elements(), deadlineNanos);
    }
}
