// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.llama;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * First weights as Transformers draws them: norms 1, biases 0, everything else from N(0, initializer_range²).
 *
 * <p>Each parameter has a generator of its own, keyed by seed and name, so that who draws what in which order does not
 * matter.
 */
public final class LlamaInitialization {
    private LlamaInitialization() {}

    /** Fills {@code target}, the whole parameter, in place. */
    public static void draw(LlamaConfig config, long seed, String name, Tensor target) {
        if (name.endsWith("norm.weight")) {
            target.fill_(Scalars.of(1));
        } else if (name.endsWith(".bias")) {
            target.zero_();
        } else {
            drawNormal(config.initialDeviation(), seed, name, target);
        }
    }

    private static void drawNormal(double deviation, long seed, String name, Tensor target) {
        CRC32C key = new CRC32C();
        key.update(name.getBytes(StandardCharsets.UTF_8));
        try (TensorScope scope = new TensorScope()) {
            Generator generator = torch.make_generator_cpu(seed * 0x9E3779B97F4A7C15L ^ key.getValue());
            // In fp32 whatever the target is, so that every precision begins with the same numbers.
            Tensor drawn = torch.empty_like(target, new TensorOptions(ScalarType.Float), null);
            target.copy_(drawn.normal_(0, deviation, new GeneratorOptional(generator)));
        }
    }
}
