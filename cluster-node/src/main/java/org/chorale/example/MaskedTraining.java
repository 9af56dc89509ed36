// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.chorale.pipeline.AdamW;
import org.chorale.pipeline.Data;
import org.chorale.pipeline.ModelFactory;
import org.chorale.pipeline.Pipeline;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;

/** The example in Java: draws its pipeline, then trains it into the folder that is given. */
public final class MaskedTraining {
    private static final int VOCABULARY = 1_000;
    private static final int ROWS = 400;
    private static final int ROW_TOKENS = 32;

    private MaskedTraining() {}

    public static void main(String[] arguments) throws InterruptedException {
        Pipeline pipeline = pipeline(Path.of(arguments[0])).epochs(5).build();
        pipeline.print();
        pipeline.run();
    }

    /** All of it but how long it is trained. */
    public static Pipeline.Builder pipeline(Path outputDir) {
        return Pipeline.builder()
                .model(ModelFactory.fromInstance(new ExampleModel(VOCABULARY, 256, 512)))
                .data(Data.of(rows()).batchSize(16).sequenceTokens(ROW_TOKENS))
                .preprocess(
                        new TokenMasker(0.15, 0),
                        new ForwardArguments(ConfigFactory.parseString("return_hidden = true")))
                .postprocess(new TargetExtractor("original_input_ids"), new HiddenStateExtractor())
                .loss(CompositeLoss.of(
                        new CrossEntropyLoss()
                                .masked("mask")
                                .declaring("logits:3:f | ctx.target:2:i64, ctx.mask:2:f -> loss:0:f"),
                        1,
                        new HiddenRegularizer(0.01),
                        1))
                .optimizer(AdamW.learningRate(1e-3))
                .outputDir(outputDir);
    }

    /** Synthetic tokens from 1, of which small ones are frequent, so that there is something to learn. */
    static List<long[]> rows() {
        SplittableRandom random = new SplittableRandom(7);
        List<long[]> rows = new ArrayList<>();
        for (int row = 0; row < ROWS; row++) {
            rows.add(random.doubles(ROW_TOKENS)
                    .mapToLong(share -> 1 + (long) (share * share * share * (VOCABULARY - 1)))
                    .toArray());
        }
        return rows;
    }
}
