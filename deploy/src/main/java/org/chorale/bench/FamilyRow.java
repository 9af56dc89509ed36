// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.layer.Recompute;
import org.chorale.training.MicroBatch;
import org.chorale.training.MicroBatch.Packing;

/**
 * A way to train a model: every two of folder, adapter, recompute and packing meet in one of {@link #of}.
 *
 * @param packed whether sequences hold several documents
 */
record FamilyRow(Path folder, Adapter adapter, Recompute recompute, boolean packed) {
    static final int TOKENS = 24; // T
    private static final int ROWS = 4; // B
    private static final long SEED = 4;
    private static final double DROPOUT = 0.1;

    /** What is trained beside, or in the place of, the model's own parameters. */
    enum Adapter {
        NONE,
        LORA,
        DORA,
        PISSA,
        WITH_HEAD;

        private LoraConfig config(String head) {
            return new LoraConfig(
                    3,
                    6,
                    this == LORA || this == DORA ? DROPOUT : 0,
                    ModuleSelection.ALL_LINEAR,
                    ModuleSelection.NOTHING,
                    Map.of(),
                    Map.of(),
                    this == WITH_HEAD, // rsLoRA
                    this == DORA,
                    this == WITH_HEAD ? List.of(head) : List.of(),
                    List.of(),
                    List.of(),
                    this == PISSA ? Initialize.PISSA : Initialize.UNIFORM,
                    Optional.empty());
        }
    }

    /** Every folder with every adapter; recompute and packing go on from row to row like the digits of a number. */
    static List<FamilyRow> of(List<Path> folders) {
        List<FamilyRow> rows = new ArrayList<>();
        Recompute[] recomputes = Recompute.values();
        Adapter[] adapters = Adapter.values();
        for (int i = 0; i < folders.size(); i++) {
            for (int j = 0; j < adapters.length; j++) {
                Recompute recompute = recomputes[(i + j) % recomputes.length];
                boolean packed = (i + j) / recomputes.length % 2 == 1;
                rows.add(new FamilyRow(folders.get(i), adapters[j], recompute, packed));
            }
        }
        return rows;
    }

    ModelFolder open() {
        ModelFolder model = ModelFolder.pretrained(folder);
        String head = model.config().headWeight().replaceFirst("\\.weight$", "");
        return adapter == Adapter.NONE ? model : model.adapted(adapter.config(head), SEED);
    }

    /** Of tokens that are drawn from the step's number; every sequence has another length, or two documents. */
    MicroBatch batch(int step, long vocabulary) {
        long[] tokens =
                new Random(step).longs((long) ROWS * TOKENS, 0, vocabulary).toArray();
        long[] labels = tokens.clone();
        long[] positions = new long[tokens.length];
        long[] documents = new long[tokens.length];
        for (int row = 0; row < ROWS; row++) {
            int begin = row * TOKENS;
            int end = TOKENS - 3 * row - step % 3; // of the sequence, or of its first document
            Arrays.fill(labels, begin, begin + 2, MicroBatch.IGNORED); // a prompt
            Arrays.fill(labels, begin + end, begin + (packed ? Math.min(end + 1, TOKENS) : TOKENS), MicroBatch.IGNORED);
            for (int t = 0; t < TOKENS; t++) {
                documents[begin + t] = t < end ? 0 : 1;
                positions[begin + t] = t < end ? t : t - end;
            }
        }
        return packed
                ? new MicroBatch(ROWS, TOKENS, tokens, labels, null, new Packing(positions, documents))
                : MicroBatch.rightPadded(ROWS, TOKENS, tokens, labels);
    }

    @Override
    public String toString() {
        return "%s, %s, recompute %s, %s"
                .formatted(
                        folder.getFileName(),
                        adapter.name().toLowerCase(Locale.ROOT).replace('_', ' '),
                        recompute.name().toLowerCase(Locale.ROOT),
                        packed ? "packed" : "padded");
    }
}
