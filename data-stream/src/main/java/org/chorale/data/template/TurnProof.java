// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.chorale.data.template.Conversation.Rendered;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.Value;

/**
 * Proves which part of a rendered conversation a turn of the assistant is, by rendering parts of the conversation again.
 * Training on another's words is worse than an error: what is not proven is refused.
 *
 * <p>Most often the loop over the messages wrote one part of the text while this very message was its current one. The
 * turn begins in it where the prompt ends that the model would be given, and ends with it, or before the blanks that only
 * stand there because another message follows. Where no loop tells, the text with the turn must be what the prompt begins
 * and what the whole goes on from.
 */
final class TurnProof {
    /** Of so many messages at the beginning one must have been followed by a prompt, if there are prompts at all. */
    private static final int QUESTIONS_TRIED = 3;

    private static final String UNSTEADY = "the template shows it otherwise when messages follow";

    private final Conversation conversation;
    private final Rendered whole;
    private final Optional<Rendered> otherwise;
    private final String text;
    private final List<Value> messages;
    private final int turn;

    /** The conversation before the turn with the generation prompt: what the model would be given; empty if refused. */
    private final Optional<String> prompted;

    /** The conversation with the turn as its last; empty if refused. */
    private final Optional<String> ended;

    /**
     * @param whole the conversation
     * @param otherwise the conversation with others' words altered; empty if refused
     */
    TurnProof(Conversation conversation, Rendered whole, Optional<Rendered> otherwise, int turn) {
        this.conversation = conversation;
        this.whole = whole;
        this.otherwise = otherwise;
        this.text = whole.text();
        this.messages = conversation.messages();
        this.turn = turn;
        this.prompted = text(messages.subList(0, turn), true);
        this.ended = text(messages.subList(0, turn + 1), false);
    }

    private Optional<String> text(List<Value> shown, boolean addGenerationPrompt) {
        return conversation.tryRender(shown, addGenerationPrompt).map(Rendered::text);
    }

    private Optional<String> before() {
        return text(messages.subList(0, turn), false);
    }

    AmbiguousTurnsException ambiguous(String problem) {
        return new AmbiguousTurnsException(
                "it is not clear which part of the text message " + turn + " is: " + problem);
    }

    /** The part of the text that the loss counts. */
    Span span() {
        List<Span> regions = whole.watch().regions(messages.get(turn));
        if (regions.size() == 1 && !whole.watch().isShared(messages.get(turn), regions.get(0))) {
            return checked(withinLoop(regions.get(0)));
        }
        String problem = regions.isEmpty()
                ? "no loop writes it"
                : regions.size() > 1
                        ? "loops write something for it at several places"
                        : "a loop writes something for another message within it";
        return checked(byPrefix(problem));
    }

    private Span checked(Span span) {
        boolean isShown =
                !span.isEmpty() && MessageContent.isIn(messages.get(turn), span.of(text), conversation.budget());
        if (!isShown) {
            throw ambiguous("its content is not where it should be");
        }
        return span;
    }

    // By loop

    private Span withinLoop(Span region) {
        int from = start(region)
                .orElseThrow(() -> ambiguous("what is written for it does not begin with the generation prompt"));
        return new Span(from, end(new Span(from, region.until())));
    }

    private OptionalInt start(Span region) {
        if (prompted.isPresent()) { // what the model is given is the very text up to the turn
            int length = prompted.get().length();
            if (text.startsWith(prompted.get()) && region.from() <= length && length < region.until()) {
                boolean isUnprompted = length == region.from() && prompted.equals(before());
                return OptionalInt.of(length + (isUnprompted ? unprompted(region.of(text)) : 0));
            }
        }
        Optional<String> prompt = prompt().map(all -> behindBlanks(all, region.from()));
        if (prompt.isEmpty()) {
            return OptionalInt.empty();
        } else if (region.of(text).startsWith(prompt.get())) {
            int length = prompt.get().length();
            return OptionalInt.of(region.from() + (length == 0 ? unprompted(region.of(text)) : length));
        }
        // Another beginning than the prompt: its part that is the same whatever the message says must be of the prompt,
        // or end with it.
        return header(region)
                .filter(header -> prompt.get().startsWith(header) || header.endsWith(prompt.get()))
                .map(header -> OptionalInt.of(region.from() + header.length()))
                .orElse(OptionalInt.empty());
    }

    /**
     * How much of a turn that no prompt comes before is the usual one: some templates prompt only after a question, or
     * not for the first message of all, and yet begin each of the assistant's with the same words.
     */
    private int unprompted(String said) {
        String usual = IntStream.rangeClosed(1, messages.size())
                .filter(count -> !MessageContent.hasRole(messages.get(count - 1), "assistant"))
                .limit(QUESTIONS_TRIED)
                .mapToObj(count -> added(messages.subList(0, count)))
                .filter(prompt -> !prompt.isEmpty())
                .findFirst()
                .orElse("");
        return said.startsWith(usual) ? usual.length() : 0;
    }

    /** What the generation prompt adds to a part of the conversation; empty where that cannot be told. */
    private String added(List<Value> shown) {
        Optional<String> plain = text(shown, false);
        return text(shown, true)
                .filter(open -> plain.filter(open::startsWith).isPresent())
                .map(open -> open.substring(plain.orElseThrow().length()))
                .orElse("");
    }

    /** A prompt without the blanks that it begins with, where they part messages: they stand before the region. */
    private String behindBlanks(String prompt, int from) {
        String rest = Blanks.stripStart(prompt);
        String blanks = prompt.substring(0, prompt.length() - rest.length());
        return from == 0 || text.startsWith(blanks, from - blanks.length()) ? rest : prompt;
    }

    /** What the generation prompt adds, before the turn or, where that cannot be told, at the end of the whole. */
    private Optional<String> prompt() {
        Optional<String> before = before();
        if (before.isPresent() && prompted.isPresent() && prompted.get().startsWith(before.get())) {
            return Optional.of(prompted.get().substring(before.get().length()));
        }
        Optional<String> open = text(messages, true);
        // A template may end a conversation with a prompt or else with something: compare what is before that.
        int end = open.filter(other -> other.startsWith(text)).isPresent()
                ? text.length()
                : whole.watch().lastEnd();
        return open.filter(other -> end > 0 && other.startsWith(text.substring(0, end)))
                .map(other -> other.substring(end));
    }

    /** What the template writes before anything that the message says. */
    private Optional<String> header(Span region) {
        Value blank = MessageContent.blank(messages.get(turn), conversation.budget());
        List<Value> shown = new ArrayList<>(messages);
        shown.set(turn, blank);
        return conversation
                .tryRender(shown, false)
                .filter(rendered -> rendered.watch().regions(blank).size() == 1)
                .map(rendered -> rendered.watch().regions(blank).get(0).of(rendered.text()))
                .filter(other -> other.contains(MessageContent.MARK))
                .map(other -> other.substring(0, other.indexOf(MessageContent.MARK)))
                .filter(region.of(text)::startsWith);
    }

    private int end(Span span) {
        if (!isWrittenAlike(otherwise, span)) {
            throw ambiguous("others' words may be part of it");
        }
        int until = ended.filter(text::startsWith).map(String::length).orElse(text.length());
        if (until >= span.until()) {
            return span.until(); // what ends the conversation behind all loops belongs to no turn
        } else if (Blanks.isBlank(text.substring(until, span.until()))) {
            return until; // and neither do blanks between messages
        } else if (!endsAlike("user", span) || !endsAlike("assistant", span)) {
            throw ambiguous("the template writes more behind it when messages follow");
        }
        return span.until();
    }

    /** Whether the turn is written as it is when a message of this role follows. */
    private boolean endsAlike(String role, Span span) {
        List<Value> shown = new ArrayList<>(messages.subList(0, turn + 1));
        shown.add(MessageContent.marked(role, conversation.budget()));
        return isWrittenAlike(conversation.tryRender(shown, false), span);
    }

    private boolean isWrittenAlike(Optional<Rendered> other, Span span) {
        return other.filter(rendered -> {
                    List<Span> regions = rendered.watch().regions(messages.get(turn));
                    return regions.size() == 1
                            && regions.get(0).of(rendered.text()).endsWith(span.of(text));
                })
                .isPresent();
    }

    // By prefix

    private Span byPrefix(String noLoop) {
        Optional<String> before = before();
        if (before.isEmpty() || prompted.isEmpty() || ended.isEmpty()) {
            throw ambiguous("the template refuses the conversation up to it, and " + noLoop);
        }
        String prompt = prompted.get();
        boolean isSteady = prompt.startsWith(before.get())
                && ended.get().startsWith(prompt)
                && text.startsWith(ended.get())
                && goesOn(ended.get());
        if (!isSteady) {
            throw ambiguous(UNSTEADY + ", and " + noLoop);
        }
        return new Span(prompt.length(), ended.get().length());
    }

    /** Whether a text stays as it is when the user says one thing more: it ends with no more than the turn. */
    private boolean goesOn(String with) {
        Optional<Value> user = messages.stream()
                .filter(message -> MessageContent.hasRole(message, "user"))
                .findFirst();
        List<Value> more = new ArrayList<>(messages.subList(0, turn + 1));
        user.ifPresent(more::add);
        return user.isPresent()
                && text(more, false).filter(other -> other.startsWith(with)).isPresent();
    }
}
