// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.data.template.Conversation.Rendered;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Value;

/**
 * Finds in a rendered conversation what the assistant wrote, which is what the loss counts. A template with
 * {@code generation} blocks says so itself; for any other, each turn of the assistant needs a {@link TurnProof}.
 */
final class TrainedTurns {
    private static final String ASSISTANT = "assistant";

    private final Conversation conversation;
    private final boolean hasGeneration;
    private final Rendered whole;

    TrainedTurns(Conversation conversation, boolean hasGeneration) {
        this.conversation = conversation;
        this.hasGeneration = hasGeneration;
        this.whole = conversation.render(conversation.messages(), false);
    }

    RenderedChat find() {
        return new RenderedChat(whole.text(), hasGeneration ? generated() : proven());
    }

    private List<Span> generated() {
        if (whole.watch().isOutOfSight()) {
            throw new AmbiguousTurnsException("a generation block stands in a macro, a call, a filter or a set block,"
                    + " so that its place in the text is not known");
        }
        List<Span> merged = new ArrayList<>();
        for (Span span : inOrder(whole.watch().generated())) {
            Span last = merged.isEmpty() ? null : merged.get(merged.size() - 1);
            if (last != null && span.from() <= last.until()) { // the next block follows at once, or is within
                merged.set(merged.size() - 1, new Span(last.from(), Math.max(last.until(), span.until())));
            } else {
                merged.add(span);
            }
        }
        return merged;
    }

    private List<Span> proven() {
        List<Value> messages = conversation.messages();
        List<Integer> turns = IntStream.range(0, messages.size())
                .filter(index -> MessageContent.hasRole(messages.get(index), ASSISTANT))
                .boxed()
                .toList();
        Optional<Rendered> otherwise = turns.isEmpty() ? Optional.empty() : otherwise(messages);
        List<Span> spans = new ArrayList<>();
        for (int turn : turns) {
            TurnProof proof = new TurnProof(conversation, whole, otherwise, turn);
            Span span = proof.span();
            if (spans.stream().anyMatch(span::overlaps)) {
                throw proof.ambiguous("its text overlaps that of another message");
            }
            spans.add(span);
        }
        return inOrder(spans);
    }

    /** The conversation as it would be if all but the assistant said something else. */
    private Optional<Rendered> otherwise(List<Value> messages) {
        Budget budget = conversation.budget();
        List<Value> altered = new ArrayList<>(messages.size());
        for (Value message : messages) {
            boolean isAssistant = MessageContent.hasRole(message, ASSISTANT);
            altered.add(isAssistant ? message : MessageContent.altered(message, budget));
        }
        return conversation.tryRender(altered, false);
    }

    private static List<Span> inOrder(List<Span> spans) {
        return spans.stream().sorted(Comparator.comparingInt(Span::from)).toList();
    }
}
