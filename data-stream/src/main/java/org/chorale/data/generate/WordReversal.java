// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.generate;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.chorale.data.order.ExampleOrder;

/**
 * Pairs that ask for the letters of a made-up word in reverse: {@code "Reverse: s t o n e\nAnswer:"} and
 * {@code " e n o t s"}. Words have four to seven letters in turn, and are no palindromes.
 *
 * <p>All words of a length are numbered and walked through in a pseudo-random order, so that none comes twice. A keyed
 * hash of a word and its reverse, the same for both, puts both on one side: so the answer to a held-out word is neither
 * an answer nor a question in the training pairs.
 */
final class WordReversal {
    private static final int MIN_LETTERS = 4;
    private static final int MAX_LETTERS = 7;
    private static final int ALPHABET = 26;

    /** One word in so many is held out. */
    private static final int HELD_OUT_SHARE = 8;

    /** The same permutation serves twice, as order and as hash, at different epochs. */
    private static final int ORDER = 0;

    private static final int HASH = 1;

    private final long seed;

    WordReversal(long seed) {
        this.seed = seed;
    }

    /** Training rows as JSON, the same for every call. */
    Stream<String> training(int rows) {
        return rows(rows, false);
    }

    /** Held-out rows as JSON, the same for every call. */
    Stream<String> heldOut(int rows) {
        return rows(rows, true);
    }

    private Stream<String> rows(int rows, boolean heldOut) {
        List<Iterator<String>> byLength = IntStream.rangeClosed(MIN_LETTERS, MAX_LETTERS)
                .mapToObj(letters -> words(letters, heldOut).iterator())
                .toList();
        return IntStream.range(0, rows)
                .mapToObj(row -> row(byLength.get(row % byLength.size()).next()));
    }

    private Stream<String> words(int letters, boolean heldOut) {
        ExampleOrder order = new ExampleOrder(seed * ALPHABET + letters, count(letters));
        return LongStream.range(0, order.examples())
                .map(position -> order.example(ORDER, position))
                .mapToObj(number -> word(number, letters))
                .filter(word -> !word.equals(reverse(word)) && isHeldOut(order, word) == heldOut);
    }

    private static boolean isHeldOut(ExampleOrder order, String word) {
        long either = Math.min(number(word), number(reverse(word)));
        return order.example(HASH, either) % HELD_OUT_SHARE == 0;
    }

    private static long count(int letters) {
        return LongStream.generate(() -> ALPHABET).limit(letters).reduce(1, Math::multiplyExact);
    }

    private static String word(long number, int letters) {
        char[] word = new char[letters];
        long rest = number;
        for (int i = letters - 1; i >= 0; i--) {
            word[i] = (char) ('a' + rest % ALPHABET);
            rest /= ALPHABET;
        }
        return new String(word);
    }

    private static long number(String word) {
        return word.chars().asLongStream().reduce(0, (number, letter) -> number * ALPHABET + letter - 'a');
    }

    private static String reverse(String word) {
        return new StringBuilder(word).reverse().toString();
    }

    private static String row(String word) {
        return "{\"prompt\": \"Reverse: %s\\nAnswer:\", \"completion\": \" %s\"}"
                .formatted(spelled(word), spelled(reverse(word)));
    }

    private static String spelled(String word) {
        return Arrays.stream(word.split("")).collect(Collectors.joining(" "));
    }
}
