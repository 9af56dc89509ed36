// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.template.node.Block;
import org.chorale.data.template.node.Frame;
import org.chorale.data.template.node.Rendering;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.Value;

/**
 * A conversation that is rendered, as a whole or up to a message, with or without the prompt for the next one.
 *
 * @param variables all but the messages and the prompt
 * @param deadlineNanos when all renderings together are over, on the clock of {@link System#nanoTime}
 */
record Conversation(
        Block template, TemplateLimits limits, Map<String, Value> variables, List<Value> messages, long deadlineNanos) {
    /** A text, and where its parts were written. */
    record Rendered(String text, TurnWatch watch) {}

    /** What each rendering may use up: all share the deadline. */
    Budget budget() {
        return new Budget(limits, deadlineNanos);
    }

    /** Renders other messages in place of these. */
    Rendered render(List<Value> shown, boolean addGenerationPrompt) {
        Map<String, Value> all = new HashMap<>(variables);
        all.put("messages", new ListValue(shown));
        all.put("add_generation_prompt", BoolValue.of(addGenerationPrompt));
        TurnWatch watch = new TurnWatch(shown);
        Rendering rendering = new Rendering(budget(), watch);
        try {
            template.run(Frame.of(rendering, all));
        } catch (TemplateException e) {
            throw e.at(rendering.line());
        } catch (StackOverflowError e) {
            throw ChatTemplate.tooDeep();
        }
        return new Rendered(rendering.text(), watch);
    }

    /** As {@link #render}; empty where the template refuses these messages. */
    Optional<Rendered> tryRender(List<Value> shown, boolean addGenerationPrompt) {
        try {
            return Optional.of(render(shown, addGenerationPrompt));
        } catch (TemplateException e) {
            if (e.kind() == TemplateException.Kind.LIMIT) {
                throw e;
            }
            return Optional.empty();
        }
    }
}
