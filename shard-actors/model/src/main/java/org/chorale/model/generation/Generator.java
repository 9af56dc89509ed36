// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.KeyValueCache;
import org.chorale.tensor.TensorScope;

/**
 * Continues sequences of tokens, one after the other. Keys and values of what was read or written are cached, so that
 * each new token costs one pass over one row, and a conversation only what is new in it.
 */
public final class Generator implements AutoCloseable {
    /** Why a text ends where it does. */
    public enum End {
        /** The model said so, with a token that ends a sequence. */
        STOP,
        /** As many tokens were written as were asked for. */
        LENGTH,
        /** The model's context is full. */
        CONTEXT
    }

    /** Hears of each token before the next one is computed. */
    @FunctionalInterface
    public interface Listener {
        /** @return whether to go on */
        boolean token(long token);
    }

    private final Decoder model;
    private final Set<Long> stops;
    private final long contextTokens;
    private final KeyValueCache cache;
    private long[] seen = {}; // the tokens in the cache

    /**
     * @param stops tokens that end a text
     * @param contextTokens that prompt and text together may have
     */
    public Generator(Decoder model, Set<Long> stops, long contextTokens) {
        this.model = model;
        this.stops = Set.copyOf(stops);
        this.contextTokens = contextTokens;
        this.cache = model.newCache();
    }

    /**
     * Writes what comes after a sequence.
     *
     * @param sequence the whole of it, at least one token; of a beginning that it shares with the last one nothing is
     *     computed again
     * @param maxNewTokens at least one
     * @param listener hears of every token but the one that ends the text
     * @throws IllegalArgumentException where the sequence is empty or fills the model's context
     */
    public End generate(long[] sequence, long maxNewTokens, Sampler sampler, Listener listener) {
        if (sequence.length == 0 || sequence.length >= contextTokens) {
            throw new IllegalArgumentException(
                    "the prompt has %d tokens: must be at least 1, and less than the %d of the model's context"
                            .formatted(sequence.length, contextTokens));
        }
        int known = Arrays.mismatch(seen, sequence);
        int kept = Math.min(known < 0 ? seen.length : known, sequence.length - 1);
        cache.truncate(kept);
        seen = Arrays.copyOf(seen, kept);
        long next = choose(Arrays.copyOfRange(sequence, kept, sequence.length), sampler);
        for (long written = 1; !stops.contains(next); written++) {
            if (!listener.token(next) || written == maxNewTokens) {
                return End.LENGTH;
            }
            if (seen.length + 1 >= contextTokens) {
                return End.CONTEXT;
            }
            next = choose(new long[] {next}, sampler);
        }
        return End.STOP;
    }

    @Override
    public void close() {
        cache.close();
    }

    /** Reads the next tokens and chooses the one after them. */
    private long choose(long[] tokens, Sampler sampler) {
        try (TensorScope scope = new TensorScope()) {
            Tensor hidden = model.extend(model.device().ofLongs(tokens, tokens.length), cache); // [t, D]
            Tensor last = hidden.narrow(0, tokens.length - 1L, 1);
            seen = LongStream.concat(LongStream.of(seen), LongStream.of(tokens)).toArray();
            Tensor logits = model.logits(last).select(0, 0); // [V]
            model.endForward();
            return sampler.next(logits);
        }
    }
}
