// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.training.pipeline.PipelineException;

/** Tells every rank the names that the others have: what their losses call their terms and metrics. */
final class NameExchange {
    /** More than this are no names of terms and metrics. */
    private static final int MAX_NAMES = 1_000;

    /** Of all names of a rank together, and so of the memory that an exchange takes. */
    private static final int MAX_CHARACTERS = 1 << 16;

    /** No character of a name: it ends each of them. */
    private static final char END = '\0';

    private final Collectives world;
    private List<String> known = List.of();

    NameExchange(Collectives world) {
        this.world = world;
    }

    /** What any rank has had in any exchange so far, in the same order on every rank. */
    List<String> known() {
        return known;
    }

    /**
     * Called by all ranks.
     *
     * @throws PipelineException on every rank, where one of them has too many names
     */
    void exchange(List<String> own) {
        refuseEnds(own);
        String text = String.join("", own.stream().map(name -> name + END).toList());
        long longest = longest(text.length());
        if (longest > MAX_CHARACTERS) {
            throw new PipelineException(
                    "the names of a loss's terms and metrics have %d characters on one rank: at most %d are added up"
                            .formatted(longest, MAX_CHARACTERS));
        }
        Set<String> all = new LinkedHashSet<>(known);
        all.addAll(gather(text, (int) longest));
        if (all.size() > MAX_NAMES) {
            throw new PipelineException(
                    ("the losses have had %d names of terms and metrics so far: at most %d are added up, so they must"
                                    + " stay the same from step to step")
                            .formatted(all.size(), MAX_NAMES));
        }
        known = List.copyOf(all);
    }

    private static void refuseEnds(List<String> names) {
        for (String name : names) {
            if (name.indexOf(END) >= 0) {
                throw new PipelineException("a loss calls a term or metric %s: a name has no character 0"
                        .formatted(name.replace(END, '?')));
            }
        }
    }

    private long longest(int length) {
        try (TensorScope scope = new TensorScope()) {
            Tensor characters = HostTensors.ofLongs(new long[] {length}, 1);
            world.allReduce(characters, Reduction.MAX).await();
            return characters.item_long();
        }
    }

    /** A character takes a number; what is shorter than the longest is filled up with {@link #END}. */
    private List<String> gather(String text, int length) {
        try (TensorScope scope = new TensorScope()) {
            Tensor whole = HostTensors.empty(ScalarType.Long, (long) length * world.worldSize());
            Tensor part = HostTensors.ofLongs(
                    Arrays.copyOf(text.chars().asLongStream().toArray(), length), length);
            world.allGather(whole, part).await();
            LongBuffer characters = whole.createBuffer();
            StringBuilder all = new StringBuilder();
            while (characters.hasRemaining()) {
                all.append((char) characters.get());
            }
            return Stream.of(all.toString().split(String.valueOf(END), -1))
                    .filter(name -> !name.isEmpty())
                    .toList();
        }
    }
}
