// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.chorale.data.template.Conversation.Rendered;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * Finds in a rendered conversation what the assistant wrote, which is what the loss counts. A template with
 * {@code generation} blocks says so itself. For any other there are two proofs, and a turn needs one of them; where both
 * are there, they must agree.
 *
 * <ol>
 *   <li><b>By prefix</b>: the conversation up to the turn with the prompt for it, up to and with the turn, and the whole
 *       are each the beginning of the next. The turn is what the second has more than the first.
 *   <li><b>By loop</b>: the loop over the messages wrote one part of the whole while this very message was its current
 *       one. The turn is that part without the prompt that it begins with. This also holds for templates that show an
 *       earlier turn otherwise than the last one.
 * </ol>
 *
 * <p>Templates differ in where they write the prompt. Some write none between two messages of an assistant, or none for
 * the first message of all, and yet begin each with the same words: those count as the prompt. Others prompt with more
 * than what they write in front of an earlier message, such as the beginning of a thought: then the prompt ends where
 * another content would begin.
 *
 * <p>What neither proves is refused: training on another's words is worse than an error.
 */
final class TrainedTurns {
    /** A span, or why there is none. */
    private record Finding(@Nullable Span span, String problem) {
        static Finding of(int from, int until) {
            return new Finding(new Span(from, until), "");
        }

        static Finding none(String problem) {
            return new Finding(null, problem);
        }
    }

    private final Conversation conversation;
    private final List<Value> messages;
    private final boolean hasGeneration;
    private final Rendered whole;
    private @Nullable String usualPrompt;

    TrainedTurns(Conversation conversation, boolean hasGeneration) {
        this.conversation = conversation;
        this.messages = conversation.messages();
        this.hasGeneration = hasGeneration;
        this.whole = conversation.render(messages, false);
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
        List<Span> spans = new ArrayList<>(whole.watch().generated());
        spans.sort(Comparator.comparingInt(Span::from));
        for (Span span : spans) {
            Span last = merged.isEmpty() ? null : merged.get(merged.size() - 1);
            if (last != null && span.from() < last.until()) { // a block within another
                merged.set(merged.size() - 1, new Span(last.from(), Math.max(last.until(), span.until())));
            } else {
                merged.add(span);
            }
        }
        return merged;
    }

    private List<Span> proven() {
        List<Span> spans = new ArrayList<>();
        for (int turn = 0; turn < messages.size(); turn++) {
            if (isAssistant(messages.get(turn))) {
                Span span = proven(turn);
                if (spans.stream().anyMatch(span::overlaps)) {
                    throw ambiguous(turn, "its text overlaps that of another message");
                }
                spans.add(span);
            }
        }
        spans.sort(Comparator.comparingInt(Span::from));
        return spans;
    }

    /** The prompt for the answer to the first message that is not the assistant's; empty where there is none. */
    private String usualPrompt() {
        String prompt = usualPrompt;
        if (prompt == null) {
            prompt = "";
            for (int count = 1; prompt.isEmpty() && count <= messages.size(); count++) {
                if (!isAssistant(messages.get(count - 1))) {
                    prompt = added(text(count, false), text(count, true)).orElse("");
                }
            }
            usualPrompt = prompt;
        }
        return prompt;
    }

    private static boolean isAssistant(Value message) {
        return message instanceof DictValue dict
                && dict.get("role") instanceof StrValue role
                && role.text().equals("assistant");
    }

    private Span proven(int turn) {
        Optional<String> before = text(turn, false);
        Optional<String> prompted = text(turn, true);
        Finding byPrefix = byPrefix(turn, before, prompted);
        Finding byLoop = byLoop(turn, before, prompted);
        Span prefix = byPrefix.span();
        Span loop = byLoop.span();
        if (prefix != null && loop != null) {
            return agreed(turn, prefix, loop);
        } else if (prefix != null && before.isPresent() && prompted.orElse("").startsWith(before.get())) {
            return prefix;
        } else if (loop != null && isItsOwn(turn, loop)) {
            return loop;
        }
        throw ambiguous(
                turn,
                byPrefix.problem().isEmpty() || byLoop.problem().isEmpty()
                        ? "what follows it, or comes before it, may be part of its text"
                        : byPrefix.problem() + ", and " + byLoop.problem());
    }

    private Optional<String> text(int count, boolean addGenerationPrompt) {
        return conversation
                .tryRender(messages.subList(0, count), addGenerationPrompt)
                .map(Rendered::text);
    }

    private Finding byPrefix(int turn, Optional<String> before, Optional<String> prompted) {
        Optional<String> with = text(turn + 1, false);
        if (prompted.isEmpty() || with.isEmpty()) {
            return Finding.none("the template refuses the conversation up to it");
        }
        String prompt = prompted.get();
        String ended = with.get();
        if (!ended.startsWith(prompt) || !whole.text().startsWith(ended)) {
            return Finding.none("the template shows it otherwise when messages follow");
        }
        boolean unprompted = before.filter(prompt::equals).isPresent();
        int from = prompt.length() + (unprompted ? unprompted(ended.substring(prompt.length())) : 0);
        if (!shows(turn, ended.substring(from))) {
            return Finding.none("its content is not where it should be");
        }
        return Finding.of(from, ended.length());
    }

    private Finding byLoop(int turn, Optional<String> before, Optional<String> prompted) {
        Value message = messages.get(turn);
        List<Span> regions = whole.watch().regions(message);
        if (regions.size() != 1) {
            return Finding.none(
                    regions.isEmpty() ? "no loop writes it" : "loops write something for it at several places");
        }
        Span region = regions.get(0);
        if (whole.watch().isShared(message, region)) {
            return Finding.none("a loop writes something for another message within it");
        }
        Optional<String> prompt = prompt(before, prompted);
        String text = region.of(whole.text());
        int header = prompt.map(known -> header(turn, text, known)).orElse(-1);
        if (header < 0) {
            return Finding.none("it does not begin with the generation prompt");
        } else if (!shows(turn, text.substring(header))) {
            return Finding.none("its content is not among what a loop writes for it");
        }
        return Finding.of(region.from() + header, region.until());
    }

    /** How much of what a loop writes for a turn is the prompt; -1 where that cannot be told. */
    private int header(int turn, String text, String prompt) {
        if (prompt.isEmpty()) {
            return unprompted(text);
        } else if (text.startsWith(prompt)) {
            return prompt.length();
        }
        String start = beforeContent(turn);
        return !start.isEmpty() && prompt.startsWith(start) && text.startsWith(start) ? start.length() : -1;
    }

    /** How much of a turn that follows no prompt is the usual one. */
    private int unprompted(String text) {
        return text.startsWith(usualPrompt()) ? usualPrompt().length() : 0;
    }

    /** What a loop writes for a turn in front of a content that no template looks for; empty where that is unknown. */
    private String beforeContent(int turn) {
        Value marked = MessageContent.marked(messages.get(turn), conversation.budget());
        List<Value> altered = new ArrayList<>(messages);
        altered.set(turn, marked);
        Optional<Rendered> other = conversation.tryRender(altered, false);
        List<Span> regions =
                other.map(rendered -> rendered.watch().regions(marked)).orElse(List.of());
        if (regions.size() != 1) {
            return "";
        }
        String text = regions.get(0).of(other.orElseThrow().text());
        return text.substring(0, Math.max(0, text.indexOf(MessageContent.MARK)));
    }

    /** What the generation prompt adds, before the turn or, where that cannot be told, at the end of the whole. */
    private Optional<String> prompt(Optional<String> before, Optional<String> prompted) {
        Optional<String> added = added(before, prompted);
        if (added.isPresent()) {
            return added;
        }
        Optional<Rendered> open = conversation.tryRender(messages, true);
        if (open.isEmpty()) {
            return Optional.empty();
        }
        String text = open.get().text();
        // A template may end a conversation with a prompt or else with something: compare what is before that.
        int end = text.startsWith(whole.text())
                ? whole.text().length()
                : whole.watch().lastEnd();
        boolean sameBefore = end > 0 && text.startsWith(whole.text().substring(0, end));
        return sameBefore ? Optional.of(text.substring(end)) : Optional.empty();
    }

    private static Optional<String> added(Optional<String> before, Optional<String> prompted) {
        return before.flatMap(
                start -> prompted.filter(text -> text.startsWith(start)).map(text -> text.substring(start.length())));
    }

    private Span agreed(int turn, Span prefix, Span loop) {
        if (prefix.from() != loop.from() && !isWrittenWithout(turn, loop.from(), prefix.from())) {
            throw ambiguous(turn, "its beginning is not clear");
        } else if (prefix.until() < loop.until()
                && !new Span(prefix.until(), loop.until()).of(whole.text()).isBlank()) {
            throw ambiguous(turn, "the template writes more behind it when messages follow");
        }
        // Blanks between messages belong to no turn, and neither does what ends the conversation behind all loops.
        return new Span(prefix.from(), Math.min(prefix.until(), loop.until()));
    }

    /**
     * Whether a part of the text is what the template writes in front of a turn, whatever it says, and also where the
     * conversation ends before it: such as the end of the results of tools.
     */
    private boolean isWrittenWithout(int turn, int from, int until) {
        return from < until && beforeContent(turn).equals(new Span(from, until).of(whole.text()));
    }

    /** Whether the text of a turn stays the same when all other messages say something else. */
    private boolean isItsOwn(int turn, Span span) {
        Budget budget = conversation.budget();
        List<Value> altered = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            altered.add(i == turn ? messages.get(i) : MessageContent.altered(messages.get(i), budget));
        }
        Optional<Rendered> other = conversation.tryRender(altered, false);
        List<Span> regions = other.map(rendered -> rendered.watch().regions(messages.get(turn)))
                .orElse(List.of());
        return regions.size() == 1
                && regions.get(0).of(other.orElseThrow().text()).endsWith(span.of(whole.text()));
    }

    /** Whether a text has what the message says, as far as it says something. */
    private boolean shows(int turn, String text) {
        return !text.isEmpty() && MessageContent.isIn(messages.get(turn), text, conversation.budget());
    }

    private static AmbiguousTurnsException ambiguous(int turn, String problem) {
        return new AmbiguousTurnsException(
                "it is not clear which part of the text message " + turn + " is: " + problem);
    }
}
