// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * A parameter of a loss or of a user's own model.
 *
 * @param name unique in its component
 * @param shape empty for a number
 * @param first how its first value is drawn
 * @param trainable whether it is trained
 */
public record LearnableParameter(String name, List<Long> shape, FirstValue first, boolean trainable) {
    /** Fills a parameter, in place. */
    @FunctionalInterface
    public interface FirstValue {
        void fill(Tensor target, GeneratorOptional generator);

        /** The same number everywhere. */
        static FirstValue constant(double value) {
            return (target, generator) -> target.fill_(Scalars.of(value));
        }

        /** From N(0, deviation²). */
        static FirstValue normal(double deviation) {
            return (target, generator) -> target.normal_(0, deviation, generator);
        }

        /** Evenly from −bound to bound. */
        static FirstValue uniform(double bound) {
            return (target, generator) -> target.uniform_(-bound, bound, generator);
        }
    }

    public LearnableParameter {
        shape = List.copyOf(shape);
    }

    /** A parameter that is trained. */
    public static LearnableParameter of(String name, FirstValue first, long... shape) {
        return new LearnableParameter(name, Arrays.stream(shape).boxed().toList(), first, true);
    }

    /** The same parameter, kept as it is by every step. */
    public LearnableParameter frozen() {
        return new LearnableParameter(name, shape, first, false);
    }

    /** Draws the first value. Who draws what in which order does not matter: seed and name alone decide. */
    public void draw(long seed, Tensor target) {
        CRC32C key = new CRC32C();
        key.update(name.getBytes(StandardCharsets.UTF_8));
        try (TensorScope scope = new TensorScope()) {
            Generator generator = torch.make_generator_cpu(seed * 0x9E3779B97F4A7C15L ^ key.getValue());
            first.fill(target, new GeneratorOptional(generator));
        }
    }

    /**
     * Copies the elements [from, until) of the first value. It is drawn whole, in the dtype of the target: what fills it
     * may be anything.
     *
     * @param target [until - from], written
     */
    public void copyInto(long seed, long from, long until, Tensor target) {
        try (TensorScope scope = new TensorScope()) {
            Tensor whole = HostTensors.zeros(
                    target.scalar_type(),
                    shape.stream().mapToLong(Long::longValue).toArray());
            draw(seed, whole);
            target.copy_(whole.view(-1L).narrow(0, from, until - from));
        }
    }
}
