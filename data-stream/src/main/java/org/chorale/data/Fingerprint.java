// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What the training examples and their order come from, so that a run notices when it is no longer the same. */
record Fingerprint(DataConfig data, Corpus train) {
    /**
     * A line per source, with the digest of its contents and whatever else is said of it, and one of how rows are held
     * out, if they are. One source of which nothing is said is its digest alone.
     */
    String lines() {
        String sources = train.parts().stream().map(part -> source(part) + "\n").collect(Collectors.joining());
        return sources + mix() + heldOut();
    }

    private static String source(Corpus.Part part) {
        String steps = part.examples().source().stepsIdentity();
        return part.examples().source().digest() + (steps.isEmpty() ? "" : " steps=" + steps);
    }

    private String mix() {
        if (data.train().mix() != TrainConfig.Mix.WEIGHTED) {
            return "";
        }
        String parts =
                IntStream.of(data.train().parts()).mapToObj(String::valueOf).collect(Collectors.joining(":"));
        return "mix=%s exhausted=%s\n".formatted(parts, data.train().exhausted());
    }

    private String heldOut() {
        return data.eval().splits()
                ? "share=%s rows=%s\n"
                        .formatted(data.eval().share(), data.eval().rows())
                : "";
    }
}
