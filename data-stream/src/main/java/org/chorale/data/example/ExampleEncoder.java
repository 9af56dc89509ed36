// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.chorale.data.source.Example;
import org.chorale.data.tokenizer.TextTokenizer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes tokens of examples, and says which of them are trained. Safe to use from many threads. */
public final class ExampleEncoder {
    private static final Logger log = LoggerFactory.getLogger(ExampleEncoder.class);

    private final TextTokenizer tokenizer;
    private final int sequenceTokens;
    private final AtomicLong untrainedExamples = new AtomicLong();

    public ExampleEncoder(TextTokenizer tokenizer, int sequenceTokens) {
        this.tokenizer = tokenizer;
        this.sequenceTokens = sequenceTokens;
    }

    /**
     * A text is encoded with special tokens and ends with the end-of-sequence token, if its document ends; all of it is
     * trained. A pair is its prompt with special tokens, its completion without, and the end-of-sequence token; the
     * prompt is not trained. What is longer than a sequence is cut at the end; of a very long text only a beginning that
     * fills the sequence is tokenized, so that at least as many tokens were cut as are counted.
     */
    public TokenizedExample encode(Example example) {
        TokenizedExample tokenized;
        if (example instanceof Example.Text text) {
            long[] ids = openEnded(text.text());
            tokenized = cut(text.endsDocument() ? ended(ids) : ids, 0);
        } else {
            Example.Pair pair = (Example.Pair) example;
            long[] prompt = openEnded(pair.prompt());
            long[] completion = tokenizer.encodeStart(pair.completion(), false, sequenceTokens);
            tokenized = cut(joined(prompt, completion, new long[] {tokenizer.eos()}), prompt.length);
        }
        if (!tokenized.trains()) {
            countUntrained();
        }
        return tokenized;
    }

    /** Examples so far of which cutting left no token to train; they stay in their batch with weight 0. */
    public long untrainedExamples() {
        return untrainedExamples.get();
    }

    /** With special tokens, but without the end that a post-processor may add. */
    private long[] openEnded(String text) {
        long[] ids = tokenizer.encodeStart(text, true, sequenceTokens);
        return tokenizer.addsEos() ? Arrays.copyOf(ids, ids.length - 1) : ids;
    }

    private long[] ended(long[] ids) {
        boolean ended = ids.length > 0 && ids[ids.length - 1] == tokenizer.eos();
        return ended ? ids : joined(ids, new long[] {tokenizer.eos()});
    }

    private TokenizedExample cut(long[] ids, int untrained) {
        int kept = Math.min(ids.length, sequenceTokens);
        return new TokenizedExample(Arrays.copyOf(ids, kept), Math.min(untrained, kept), ids.length - kept);
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
