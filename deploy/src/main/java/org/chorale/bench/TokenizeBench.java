// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.MicroBatch;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.measure.Examples;
import org.chorale.data.order.RowSubset;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.MalformedRows;
import org.chorale.data.source.SourceSettings;
import org.chorale.data.tokenizer.TextTokenizer;

/**
 * Rows to batches against the bare tokenizers library in a loop over the same texts in memory, in one process on one
 * thread: rounds in turn, and the ratio of their speeds round by round.
 *
 * <p>Ours reads each row from its file, parses it, tokenizes it, marks what is trained and fills batches of 8. Arguments:
 * a folder with {@code tokenizer.json}, and a folder of texts, which are cut at their paragraphs. Prints Markdown.
 */
public final class TokenizeBench {
    private static final int ROUNDS = 15;
    private static final int WARM_UP_ROUNDS = 3;
    private static final int ROWS = 1000;
    private static final int CHARS = 2000;
    private static final int BATCH = 8;
    private static final int LIBRARY_BATCH = 64;
    private static final int SEQUENCE_TOKENS = 1 << 15; // nothing is cut

    private TokenizeBench() {}

    /** Runs and prints. */
    public static void main(String[] arguments) throws IOException {
        Path model = Path.of(arguments[0]);
        List<String> texts = texts(Path.of(arguments[1]));
        Path folder = Files.createTempDirectory("chorale-tokenize-bench-");
        Path rows = rows(folder, texts);
        SourceSettings settings = new SourceSettings("rows", rows, MalformedRows.FAIL, SEQUENCE_TOKENS);
        try (TextTokenizer tokenizer = TextTokenizer.load(model, null);
                ExampleSource source = ExampleSource.open(settings, tokenizer, folder.resolve("rows.idx"));
                HuggingFaceTokenizer library = HuggingFaceTokenizer.newInstance(
                        model.resolve("tokenizer.json"), Map.of("truncation", "false", "padding", "false"))) {
            Examples examples = Examples.unmeasured(
                    source,
                    RowSubset.all(source.examples()),
                    new ExampleEncoder(tokenizer, Optional.empty(), SEQUENCE_TOKENS));
            measure(
                    () -> ours(examples, tokenizer.pad()),
                    () -> oneByOne(library, texts),
                    () -> batched(library, texts));
        }
    }

    private static long ours(Examples examples, long padToken) {
        long tokens = 0;
        for (long from = 0; from < examples.count(); from += BATCH) {
            List<TokenizedExample> batch = LongStream.range(from, Math.min(from + BATCH, examples.count()))
                    .mapToObj(examples::read)
                    .toList();
            tokens += MicroBatch.of(batch, padToken).tokens();
        }
        return tokens - examples.count(); // each ends with a token that the library does not add
    }

    private static long oneByOne(HuggingFaceTokenizer library, List<String> texts) {
        return texts.stream()
                .mapToLong(text -> library.encode(text, true, false).getIds().length)
                .sum();
    }

    private static long batched(HuggingFaceTokenizer library, List<String> texts) {
        long tokens = 0;
        for (int from = 0; from < texts.size(); from += LIBRARY_BATCH) {
            List<String> batch = texts.subList(from, Math.min(from + LIBRARY_BATCH, texts.size()));
            tokens += Arrays.stream(library.batchEncode(batch, true, false))
                    .map(Encoding::getIds)
                    .mapToLong(ids -> ids.length)
                    .sum();
        }
        return tokens;
    }

    private static void measure(LongSupplier ours, LongSupplier oneByOne, LongSupplier batched) {
        long tokens = ours.getAsLong();
        if (tokens != oneByOne.getAsLong() || tokens != batched.getAsLong()) {
            throw new IllegalStateException("they do not make the same tokens");
        }
        double[][] speeds = new double[3][ROUNDS];
        for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
            List<LongSupplier> all = List.of(ours, oneByOne, batched);
            for (int i = 0; i < all.size(); i++) {
                double speed = speed(all.get(i));
                if (round >= 0) {
                    speeds[i][round] = speed;
                }
            }
        }
        double[] toBest = IntStream.range(0, ROUNDS)
                .mapToDouble(round -> speeds[0][round] / Math.max(speeds[1][round], speeds[2][round]))
                .toArray();
        System.out.printf(
                Locale.ROOT,
                """
                | | tokens/s on one core, median of %d rounds of %,d tokens |
                | --- | --- |
                | Chorale, rows to batches | %,.0f |
                | tokenizers library, text by text | %,.0f |
                | tokenizers library, %d texts at a time | %,.0f |

                Ratio to the faster of the two, round by round: median %.3f, %.3f to %.3f.
                """,
                ROUNDS,
                tokens,
                median(speeds[0]),
                median(speeds[1]),
                LIBRARY_BATCH,
                median(speeds[2]),
                median(toBest),
                Arrays.stream(toBest).min().orElseThrow(),
                Arrays.stream(toBest).max().orElseThrow());
    }

    private static double speed(LongSupplier run) {
        long began = System.nanoTime();
        long tokens = run.getAsLong();
        return tokens * 1e9 / (System.nanoTime() - began);
    }

    private static double median(double[] values) {
        double[] sorted = Arrays.stream(values).sorted().toArray();
        return sorted[sorted.length / 2];
    }

    /** Neighbouring paragraphs of all files up to a length, from the start again until there are enough. */
    private static List<String> texts(Path folder) throws IOException {
        List<String> texts = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                StringBuilder text = new StringBuilder();
                for (String paragraph :
                        Files.readString(file, StandardCharsets.UTF_8).split("\n\n", -1)) {
                    text.append(paragraph).append("\n\n");
                    if (text.length() > CHARS) {
                        texts.add(text.toString());
                        text.setLength(0);
                    }
                }
            }
        }
        return IntStream.range(0, ROWS)
                .mapToObj(i -> texts.get(i % texts.size()))
                .toList();
    }

    private static Path rows(Path folder, List<String> texts) throws IOException {
        ObjectMapper json = new ObjectMapper();
        Path rows = folder.resolve("rows.jsonl");
        try (BufferedWriter out = Files.newBufferedWriter(rows)) {
            for (String text : texts) {
                out.write(json.writeValueAsString(Map.of("text", text)));
                out.newLine();
            }
        }
        return rows;
    }
}
