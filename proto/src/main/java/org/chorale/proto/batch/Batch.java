// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.util.List;

/**
 * One micro-batch: what a single forward pass takes.
 *
 * <p>Text batches carry {@link #TOKENS} and {@link #LABELS}, both [B, T] (B sequences, T tokens, right-padded), and
 * {@link #LENGTHS}. A
 * label stands at its own token's place, as in Transformers: position t predicts the label at t + 1, and
 * {@link #IGNORED} marks what does not count (padding and prompts). Packed batches also carry {@link #POSITIONS} and
 * {@link #DOCUMENTS}, both [B, T]; the label of a document's first token is always {@link #IGNORED}. Batches of
 * preferences also carry {@link #EXAMPLES} and {@link #ROLES}, both [B]: the sequences of one example stand together.
 *
 * <p>Examples that are numbers have a column for each of their fields instead, [B, N] of {@link ColumnType#F32}.
 */
public record Batch(List<Column> columns) {
    public static final String TOKENS = "tokens";
    public static final String LABELS = "labels";
    /** The position of each token in its document, from 0. */
    public static final String POSITIONS = "positions";
    /** The number of each token's document in its row, from 0; padding is -1. Tokens see their own document only. */
    public static final String DOCUMENTS = "documents";

    /** Tokens of each sequence without its padding, [B]. */
    public static final String LENGTHS = "lengths";

    /** Which of the batch's examples a sequence is part of, from 0, [B]; where it is missing, each is one of its own. */
    public static final String EXAMPLES = "examples";

    /** What a sequence is to its example, a {@link SequenceRole#code}, [B]. */
    public static final String ROLES = "roles";

    /** The label of a token that no loss counts. */
    public static final long IGNORED = -100;

    public Batch {
        columns = List.copyOf(columns);
    }

    public boolean has(String name) {
        return columns.stream().anyMatch(column -> column.name().equals(name));
    }

    /** The column of this name. */
    public Column column(String name) {
        return columns.stream()
                .filter(column -> column.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the batch has no column " + name + ", only "
                        + columns.stream().map(Column::name).toList()));
    }
}
