// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.function.ToIntFunction;
import org.chorale.data.disk.Sha256;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;

/**
 * A {@code tokenizer.json}, run by the Hugging Face tokenizers library through its JNI: the same ids as in Python. It
 * never truncates or pads, whatever the file says. Safe to use from many threads; closing waits for them.
 */
public final class TextTokenizer implements AutoCloseable {
    static {
        // Without these the library looks up its host's cloud on the network, and on some GPUs downloads itself anew.
        setUnlessGiven("ai.djl.offline", "true");
        setUnlessGiven("RUST_FLAVOR", "cpu");
    }

    /** What those are told who need a tokenizer where there is none. */
    public static final String NONE =
            "data.tokenizer.path is not set, nor is model.path: give a folder with tokenizer.json (only rows of"
                    + " input_ids need none)";

    /** Characters that {@link #encodeStart} always looks at, so that only very long texts are cut. */
    private static final int MIN_START_CHARS = 1 << 16;

    /** A few times what prose takes, so that few texts are looked at again. */
    private static final int START_CHARS_PER_TOKEN = 16;

    /** Tokens before a cut that may differ from those of the whole text, with more than enough to spare. */
    private static final int UNSETTLED_TOKENS = 64;

    private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;

    private final @Nullable HuggingFaceTokenizer library; // null where there is none
    private final ReadWriteLock closing = new ReentrantReadWriteLock();
    private boolean closed;

    private final long eos;
    private final long pad;
    private final long tokenIds;
    private final int addedTokens;
    private final boolean addsEos;
    private final String digest;

    private TextTokenizer(HuggingFaceTokenizer library, TokenizerFiles files) {
        this.library = library;
        eos = files.eos();
        pad = files.pad();
        tokenIds = files.tokenIds();
        digest = Sha256.hex(files.bytes());
        long[] nothing = encode("", true);
        addedTokens = nothing.length;
        addsEos = nothing.length > 0 && nothing[nothing.length - 1] == eos;
    }

    /** None: for rows that are token ids already. */
    private TextTokenizer() {
        library = null;
        eos = 0;
        pad = 0;
        tokenIds = 0;
        addedTokens = 0;
        addsEos = false;
        digest = "none";
    }

    /** For data whose rows are token ids already; whatever else it is asked to encode is refused. */
    public static TextTokenizer none() {
        return new TextTokenizer();
    }

    /**
     * Loads a tokenizer.
     *
     * @param tokenizer a folder with {@code tokenizer.json}, or the file itself
     * @param modelFolder whose {@code config.json} names the end-of-sequence token where the tokenizer does not
     * @throws org.chorale.proto.fault.FaultException TOKENIZER_INVALID where it is missing or malformed
     */
    public static TextTokenizer load(Path tokenizer, @Nullable Path modelFolder) {
        TokenizerFiles files = TokenizerFiles.read(tokenizer, modelFolder);
        HuggingFaceTokenizer library = open(files);
        try {
            return new TextTokenizer(library, files);
        } catch (RuntimeException e) {
            library.close();
            throw e;
        }
    }

    private static HuggingFaceTokenizer open(TokenizerFiles files) {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(files.bytes()), Map.of("truncation", "false", "padding", "false"));
        } catch (IOException | RuntimeException e) { // the library has no exception of its own
            throw TokenizerFiles.invalid(files.vocabulary(), "is refused by the tokenizers library: " + e.getMessage());
        }
    }

    /** The token ids of a text, with what the post-processor adds (a beginning-of-sequence token, say) or without. */
    public long[] encode(String text, boolean addSpecialTokens) {
        return encoded(text, addSpecialTokens, LIBRARY::getTokenIds);
    }

    /**
     * As {@link #encode}, but of a long text only the beginning is looked at, as the library takes hundreds of bytes per
     * character. The first {@code tokens} ids are those of the whole text, and there are fewer only if it has no more.
     */
    public long[] encodeStart(String text, boolean addSpecialTokens, int tokens) {
        return start(text, tokens, part -> encode(part, addSpecialTokens), ids -> ids.length);
    }

    /** As {@link #encodeSpans}, looking at the beginning only as {@link #encodeStart} does. */
    public TokenSpans encodeSpansStart(String text, boolean addSpecialTokens, int tokens) {
        return start(text, tokens, part -> encodeSpans(part, addSpecialTokens), spans -> spans.ids().length);
    }

    private static <R> R start(String text, int tokens, Function<String, R> encode, ToIntFunction<R> count) {
        long enough = (long) tokens + UNSETTLED_TOKENS;
        long chars = Math.max(MIN_START_CHARS, (long) tokens * START_CHARS_PER_TOKEN);
        while (chars < text.length()) {
            int end = (int) chars;
            boolean splitsPair = Character.isHighSurrogate(text.charAt(end - 1));
            R encoded = encode.apply(text.substring(0, splitsPair ? end + 1 : end));
            if (count.applyAsInt(encoded) >= enough) {
                return encoded;
            }
            chars *= 2; // few tokens of many characters: a long run of blanks, say
        }
        return encode.apply(text);
    }

    /** As {@link #encode}, with the characters that each token stands for. */
    public TokenSpans encodeSpans(String text, boolean addSpecialTokens) {
        return encoded(
                text,
                addSpecialTokens,
                encoding -> spans(LIBRARY.getTokenIds(encoding), LIBRARY.getTokenCharSpans(encoding)));
    }

    private static TokenSpans spans(long[] ids, @Nullable CharSpan[] spans) {
        int[] starts = new int[spans.length];
        int[] ends = new int[spans.length];
        for (int i = 0; i < spans.length; i++) {
            CharSpan span = spans[i];
            if (span != null) { // null: the post-processor added the token
                starts[i] = span.getStart();
                ends[i] = span.getEnd();
            }
        }
        return new TokenSpans(ids, starts, ends);
    }

    /** The library's own encoding copies all that there is to know of every token, which takes longer than encoding. */
    private <R> R encoded(String text, boolean addSpecialTokens, LongFunction<R> read) {
        return guarded(open -> {
            long encoding = LIBRARY.encode(open.getHandle(), text, addSpecialTokens);
            try {
                return read.apply(encoding);
            } finally {
                LIBRARY.deleteEncoding(encoding);
            }
        });
    }

    /** The text that ids stand for, with or without tokens such as the one that ends a sequence. */
    public String decode(long[] ids, boolean skipSpecialTokens) {
        return guarded(open -> open.decode(ids, skipSpecialTokens));
    }

    /** The token that ends a sequence. */
    public long eos() {
        return eos;
    }

    /** The token that fills rows; the one that ends a sequence where the tokenizer names no other. */
    public long pad() {
        return pad;
    }

    /** One more than the largest id that the tokenizer can give, added tokens included. */
    public long tokenIds() {
        return tokenIds;
    }

    /** How many tokens the post-processor adds to a text. */
    public int addedTokens() {
        return addedTokens;
    }

    /** Whether the post-processor ends every text with {@link #eos()}. */
    public boolean addsEos() {
        return addsEos;
    }

    /** SHA-256 of {@code tokenizer.json}, in hexadecimal. */
    public String digest() {
        return digest;
    }

    @Override
    public void close() {
        closing.writeLock().lock();
        try {
            closed = true;
            if (library != null) {
                library.close();
            }
        } finally {
            closing.writeLock().unlock();
        }
    }

    /** The library frees its memory when closed, whoever still reads it: nobody may. */
    private <R> R guarded(Function<HuggingFaceTokenizer, R> use) {
        closing.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("the tokenizer is closed");
            }
            if (library == null) {
                throw new FaultException(FaultCode.TOKENIZER_INVALID, NONE);
            }
            return use.apply(library);
        } finally {
            closing.readLock().unlock();
        }
    }

    private static void setUnlessGiven(String name, String value) {
        if (System.getProperty(name) == null && System.getenv(name) == null) {
            System.setProperty(name, value);
        }
    }
}
