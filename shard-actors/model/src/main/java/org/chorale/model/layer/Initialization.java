// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;

/**
 * Draws first values. Each parameter has a generator of its own, keyed by seed and name, so that who draws what in which
 * order does not matter; and each part of a parameter is what it is in the whole, so that ranks draw their own.
 */
public final class Initialization {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    /**
     * Numbers that are drawn at once. A multiple of 16, in which libtorch's normal_ works, so that one draw after the
     * other gives what a single one would.
     */
    private static final long CHUNK = 1 << 20;

    private Initialization() {}

    /**
     * The elements [from, until) of a parameter, counted in row-major order.
     *
     * @param elements of the whole parameter
     */
    public record Part(String parameter, long elements, long from, long until) {
        public Part {
            Objects.checkFromToIndex(from, until, elements);
        }
    }

    /** Fills a part of a parameter from N(0, deviation²). */
    public static void normal(Part part, double deviation, long seed, Tensor target) {
        draw(part, seed, target, (drawn, generator) -> drawn.normal_(0, deviation, generator));
    }

    /** Fills a part of a parameter from U(−bound, bound). */
    public static void uniform(Part part, double bound, long seed, Tensor target) {
        draw(part, seed, target, (drawn, generator) -> drawn.uniform_(-bound, bound, generator));
    }

    /**
     * Draws from the parameter's first number on, since a generator cannot skip; takes memory for two chunks at most. In
     * fp32 whatever the target is, so that every precision begins with the same numbers.
     */
    private static void draw(Part part, long seed, Tensor target, BiConsumer<Tensor, GeneratorOptional> fill) {
        try (TensorScope scope = new TensorScope()) {
            GeneratorOptional generator = generator(seed, part.parameter());
            Tensor room = HostTensors.empty(ScalarType.Float, Math.min(part.elements(), 2 * CHUNK));
            long end;
            for (long begin = 0; begin < part.until(); begin = end) {
                // The last chunk is no shorter than the others: normal_ treats less than 16 numbers in another way.
                end = part.elements() - begin < 2 * CHUNK ? part.elements() : begin + CHUNK;
                try (TensorScope chunk = new TensorScope()) {
                    Tensor drawn = room.narrow(0, 0, end - begin);
                    fill.accept(drawn, generator);
                    copyPart(part, drawn, begin, end, target);
                }
            }
        }
    }

    /** Copies what of the elements [begin, end) belongs to the part. */
    private static void copyPart(Part part, Tensor drawn, long begin, long end, Tensor target) {
        long first = Math.max(begin, part.from());
        long last = Math.min(end, part.until());
        if (first < last) {
            target.narrow(0, first - part.from(), last - first).copy_(drawn.narrow(0, first - begin, last - first));
        }
    }

    private static GeneratorOptional generator(long seed, String name) {
        CRC32C key = new CRC32C();
        key.update(name.getBytes(StandardCharsets.UTF_8));
        Generator generator = torch.make_generator_cpu(seed * GOLDEN_GAMMA ^ key.getValue());
        return new GeneratorOptional(generator);
    }
}
