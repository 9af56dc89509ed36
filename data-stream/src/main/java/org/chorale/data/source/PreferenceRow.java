// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.node.BooleanNode;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A row with a judgement, in TRL's shapes: two answers, {@code chosen} and {@code rejected}, or one, {@code completion},
 * with a {@code label}. Answers are texts or lists of messages. The prompt stands apart, or both answers begin with it.
 */
final class PreferenceRow {
    static final Set<String> TEXTS = Set.of("prompt", "chosen", "rejected", "completion", "label", "tools");
    static final Set<String> TREES = Set.of("prompt", "chosen", "rejected", "completion", "label", "tools");

    private PreferenceRow() {}

    /** Whether it is one answer with a verdict. */
    static boolean isRated(RowJson row) {
        return row.has("label") && row.has("completion") && verdict(row) != null;
    }

    static Example of(RowJson row) throws MalformedRowException {
        if (row.has("label") && !row.has("chosen") && !row.has("rejected")) {
            return rated(row);
        }
        Answer chosen = Answer.read(row, "chosen");
        Answer rejected = Answer.read(row, "rejected");
        if (chosen.isText() != rejected.isText()) {
            throw new MalformedRowException(
                    "chosen is %s and rejected is %s; must be alike".formatted(chosen.kind(), rejected.kind()));
        } else if (chosen.equals(rejected)) {
            throw new MalformedRowException("chosen and rejected are the same; must be two answers");
        }
        boolean explicit = row.has("prompt") && (Answer.read(row, "prompt").isText() == chosen.isText());
        return explicit
                ? of(row, Answer.read(row, "prompt"), chosen, rejected)
                : split(row, chosen, rejected, chosen.commonStart(rejected));
    }

    private static Example split(RowJson row, Answer chosen, Answer rejected, int promptEnd)
            throws MalformedRowException {
        return of(row, chosen.until(promptEnd), chosen.from(promptEnd), rejected.from(promptEnd));
    }

    private static Example of(RowJson row, Answer prompt, Answer chosen, Answer rejected) throws MalformedRowException {
        return new Example.Preference(
                prompt.answered(chosen, "chosen", row), prompt.answered(rejected, "rejected", row));
    }

    private static Example rated(RowJson row) throws MalformedRowException {
        Boolean verdict = verdict(row);
        if (verdict == null) {
            throw new MalformedRowException("field label is no verdict; must be true (wanted) or false");
        }
        Answer prompt = Answer.read(row, "prompt");
        Answer completion = Answer.read(row, "completion");
        if (prompt.isText() != completion.isText()) {
            throw new MalformedRowException(
                    "prompt is %s and completion is %s; must be alike".formatted(prompt.kind(), completion.kind()));
        }
        return new Example.Rated(prompt.answered(completion, "completion", row), verdict);
    }

    /** A CSV file has words for it; null where it is none. */
    private static @Nullable Boolean verdict(RowJson row) {
        String word = row.text("label");
        if (word != null) {
            return switch (word.toLowerCase(Locale.ROOT)) {
                case "true" -> true;
                case "false" -> false;
                default -> null;
            };
        }
        return row.tree("label") instanceof BooleanNode label ? label.booleanValue() : null;
    }
}
