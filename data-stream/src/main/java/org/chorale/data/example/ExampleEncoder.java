// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.chorale.data.source.Example;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.batch.SequenceRole;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes tokens of examples, and says which of them are trained. Safe to use from many threads. */
public final class ExampleEncoder {
    /** Longest text that {@link #encodeWhole} takes: the library takes hundreds of bytes per character. */
    static final int MAX_WHOLE_CHARS = 4 << 20;

    private static final Logger log = LoggerFactory.getLogger(ExampleEncoder.class);

    private final TextTokenizer tokenizer;
    private final Optional<ChatEncoder> chats;
    private final int sequenceTokens;
    private final Learning learning;
    private final AtomicLong untrainedExamples = new AtomicLong();

    /**
     * An encoder of one run.
     *
     * @param chats needed where there are conversations
     * @param sequenceTokens longest sequence
     */
    public ExampleEncoder(TextTokenizer tokenizer, Optional<ChatEncoder> chats, int sequenceTokens) {
        this(tokenizer, chats, sequenceTokens, Learning.TEXT);
    }

    /** @param learning what the rows must hold */
    public ExampleEncoder(TextTokenizer tokenizer, Optional<ChatEncoder> chats, int sequenceTokens, Learning learning) {
        this.tokenizer = tokenizer;
        this.chats = chats;
        this.sequenceTokens = sequenceTokens;
        this.learning = learning;
    }

    /**
     * A text is encoded with special tokens and ends with the end-of-sequence token, if its document ends; all of it is
     * trained. A pair is its prompt with special tokens, its completion without, and the end-of-sequence token; the
     * prompt is not trained. Token ids stay as they are, and so do numbers. A conversation is what the chat template writes, and nothing
     * else. Of a preference, both answers are encoded so, each with the prompt, and only answers are trained. What is
     * longer than a sequence is cut at the end; of a very long text only a beginning that fills the sequence is
     * tokenized, so that at least as many tokens were cut as are counted.
     *
     * @throws UnusableExampleException where a conversation cannot be rendered, or the loss learns from other rows
     */
    public TokenizedExample encode(Example example) {
        if (example instanceof Example.Numbers numbers) {
            return TokenizedExample.ofNumbers(numbers.values());
        }
        TokenizedExample tokenized = tokenized(example, sequenceTokens).cut(sequenceTokens);
        if (!tokenized.isTrained()) {
            countUntrained();
        }
        return tokenized;
    }

    /**
     * As {@link #encode}, but nothing is cut.
     *
     * @throws UnusableExampleException also where an example has more than {@value #MAX_WHOLE_CHARS} characters
     */
    public TokenizedExample encodeWhole(Example example) {
        long chars = chars(example);
        if (chars > MAX_WHOLE_CHARS) {
            throw tooLong(chars);
        }
        return tokenized(example, Integer.MAX_VALUE);
    }

    static UnusableExampleException tooLong(long chars) {
        return new UnusableExampleException(
                "the row has %d characters; with data.truncation = error or split it must have at most %d"
                        .formatted(chars, MAX_WHOLE_CHARS));
    }

    /** Examples so far of which cutting left no token to train; they stay in their batch with weight 0. */
    public long untrainedExamples() {
        return untrainedExamples.get();
    }

    /** At least the first {@code tokens} tokens of an example. */
    private TokenizedExample tokenized(Example example, int tokens) {
        return switch (learning) {
            case TEXT -> sequence(example, tokens);
            case PAIRS -> {
                if (!(example instanceof Example.Preference pair)) {
                    throw unfit("two answers, chosen and rejected");
                }
                yield sequence(pair.chosen(), tokens)
                        .as(SequenceRole.CHOSEN)
                        .beside(sequence(pair.rejected(), tokens).as(SequenceRole.REJECTED));
            }
            case RATINGS -> {
                if (!(example instanceof Example.Rated rated)) {
                    throw unfit("an answer with a label, true or false");
                }
                yield sequence(rated.answer(), tokens)
                        .as(rated.desirable() ? SequenceRole.DESIRABLE : SequenceRole.UNDESIRABLE);
            }
        };
    }

    private static UnusableExampleException unfit(String wanted) {
        return new UnusableExampleException(
                "the row is no preference that loss.preference.type learns from; must have " + wanted);
    }

    private TokenizedExample sequence(Example example, int tokens) {
        if (example instanceof Example.Text text) {
            long[] ids = openEnded(text.text(), tokens);
            return TokenizedExample.trainedFrom(0, text.endsDocument() ? ended(ids) : ids, 0);
        } else if (example instanceof Example.Pair pair) {
            long[] prompt = openEnded(pair.prompt(), tokens);
            long[] completion = tokenizer.encodeStart(pair.completion(), false, tokens);
            return TokenizedExample.trainedFrom(
                    prompt.length, joined(prompt, completion, new long[] {tokenizer.eos()}), 0);
        } else if (example instanceof Example.Ids ids) {
            return TokenizedExample.trainedFrom(0, ids.tokens(), 0);
        } else if (example instanceof Example.Chat chat) {
            return chats().encode(chat, tokens);
        } else if (example instanceof Example.Reply reply) {
            return chats().encode(reply, tokens);
        }
        throw new UnusableExampleException("a row judges answers (chosen and rejected, or label), which cross entropy"
                + " cannot use; set loss.preference.type, or say by the source's format which part of it to train");
    }

    private ChatEncoder chats() {
        return chats.orElseThrow(() -> new IllegalStateException("there is no chat template for a conversation"));
    }

    private static long chars(Example example) {
        if (example instanceof Example.Text text) {
            return text.text().length();
        } else if (example instanceof Example.Pair pair) {
            return (long) pair.prompt().length() + pair.completion().length();
        } else if (example instanceof Example.Preference preference) {
            return Math.max(chars(preference.chosen()), chars(preference.rejected()));
        } else if (example instanceof Example.Rated rated) {
            return chars(rated.answer());
        }
        return 0; // known once it is rendered
    }

    /** With special tokens, but without the end that a post-processor may add. */
    private long[] openEnded(String text, int tokens) {
        long[] ids = tokenizer.encodeStart(text, true, tokens);
        return tokenizer.addsEos() ? Arrays.copyOf(ids, ids.length - 1) : ids;
    }

    private long[] ended(long[] ids) {
        boolean ended = ids.length > 0 && ids[ids.length - 1] == tokenizer.eos();
        return ended ? ids : joined(ids, new long[] {tokenizer.eos()});
    }

    private void countUntrained() {
        long count = untrainedExamples.incrementAndGet();
        if (Long.bitCount(count) == 1) { // 1, 2, 4, 8, …: said, but never a flood
            log.warn(
                    "{} examples so far have no token left to train within data.sequence-tokens = {}",
                    count,
                    sequenceTokens);
        }
    }

    private static long[] joined(long[]... parts) {
        return Arrays.stream(parts).flatMapToLong(LongStream::of).toArray();
    }
}
