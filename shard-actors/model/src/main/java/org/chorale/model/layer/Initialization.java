// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;

/**
 * Draws first values. Each parameter has a generator of its own, keyed by seed and name, so that who draws what in which
 * order does not matter.
 */
public final class Initialization {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private Initialization() {}

    /** Fills a whole parameter from N(0, deviation²). */
    public static void normal(Tensor target, double deviation, long seed, String name) {
        try (TensorScope scope = new TensorScope()) {
            target.copy_(drawnLike(target).normal_(0, deviation, generator(seed, name)));
        }
    }

    /** Fills a whole parameter from U(−bound, bound). */
    public static void uniform(Tensor target, double bound, long seed, String name) {
        try (TensorScope scope = new TensorScope()) {
            target.copy_(drawnLike(target).uniform_(-bound, bound, generator(seed, name)));
        }
    }

    /** In fp32 whatever the target is, so that every precision begins with the same numbers. */
    private static Tensor drawnLike(Tensor target) {
        return torch.empty_like(target, new TensorOptions(ScalarType.Float), null);
    }

    private static GeneratorOptional generator(long seed, String name) {
        CRC32C key = new CRC32C();
        key.update(name.getBytes(StandardCharsets.UTF_8));
        Generator generator = torch.make_generator_cpu(seed * GOLDEN_GAMMA ^ key.getValue());
        return new GeneratorOptional(generator);
    }
}
