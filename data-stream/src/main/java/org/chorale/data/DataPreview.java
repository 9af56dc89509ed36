// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.chorale.data.example.TokenizedExample;
import org.chorale.proto.batch.Batch;

/** Shows what a run will see: its first sequences as they are rendered, tokenized and masked, and what the data is. */
public final class DataPreview implements AutoCloseable {
    /**
     * An example.
     *
     * @param index the number that {@code samples} in metrics.jsonl has
     * @param place file and line of its row; in a preference, with its role
     * @param tokens how many it has
     * @param trainedTokens those that count in the loss
     * @param tokensCut that did not fit, at least
     * @param parts its text
     */
    public record Document(long index, String place, int tokens, int trainedTokens, long tokensCut, List<Part> parts) {}

    /** Neighbouring tokens as text, all trained or none; of an example that is numbers, these by their fields. */
    public record Part(String text, boolean trained) {}

    private final RunData data;

    private DataPreview(RunData data) {
        this.data = data;
    }

    /**
     * Opens a run's data, as a run does; what has to be written goes into the run directory that the configuration names.
     *
     * @param runConf resolved
     */
    public static DataPreview open(String runConf) {
        return new DataPreview(RunData.open(FeedSettings.read(runConf)));
    }

    /** The run's first sequences, with the documents of each; fewer where the first epoch has fewer. */
    public List<List<Document>> sequences(int count) {
        List<List<Document>> sequences = new ArrayList<>();
        for (long step = 1; step <= data.order().stepsOf(0); step++) {
            for (long[] sequence : data.order().step(step, 0, 1).sequences()) {
                if (sequences.size() == count) {
                    return sequences;
                }
                sequences.add(
                        Arrays.stream(sequence).boxed().flatMap(this::documents).toList());
            }
        }
        return sequences;
    }

    /** What the data is, a line per fact; where its lengths were not needed, of a few thousand examples. */
    public List<String> report() {
        return DataReport.sampled(data).lines();
    }

    /** Whether a sequence may have several documents. */
    public boolean packs() {
        return data.settings().data().packing();
    }

    @Override
    public void close() throws IOException {
        data.close();
    }

    /** One; of a preference, one for each answer. */
    private Stream<Document> documents(long example) {
        Corpus train = data.train();
        String place = train.place(example).toString();
        return train.read(example).sequences().stream().map(row -> document(example, place, row));
    }

    private Document document(long example, String place, TokenizedExample row) {
        String role = row.role() == null ? "" : ", " + row.role().name().toLowerCase(Locale.ROOT);
        return new Document(
                example, place + role, row.tokens().length, row.trainedTokens(), row.tokensCut(), parts(row));
    }

    private List<Part> parts(TokenizedExample example) {
        List<Part> parts = new ArrayList<>();
        if (example.numbers().length > 0) {
            parts.add(new Part(data.settings().data().numberFields().named(example.numbers()), true));
        }
        int from = 0;
        for (int i = 1; i <= example.tokens().length; i++) {
            if (i == example.tokens().length || trained(example, i) != trained(example, from)) {
                long[] ids = Arrays.copyOfRange(example.tokens(), from, i);
                parts.add(new Part(data.tokenizer().decode(ids, false), trained(example, from)));
                from = i;
            }
        }
        return parts;
    }

    /** The first token is predicted by nothing. */
    private static boolean trained(TokenizedExample example, int token) {
        return token > 0 && example.labels()[token] != Batch.IGNORED;
    }
}
