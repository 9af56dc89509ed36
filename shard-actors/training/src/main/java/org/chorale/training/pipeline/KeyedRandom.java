// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.nio.charset.StandardCharsets;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;

/**
 * Random numbers that depend on the run's seed, the step, the sample and the purpose, and on nothing else: a sample gets
 * the same ones whatever its row, its micro-batch, the padding beside it, and however often they are drawn. So a step can
 * be repeated, cut into other micro-batches, or run by other ranks.
 */
public final class KeyedRandom {
    private final long key;
    private final long[] samples;

    KeyedRandom(long seed, long step, long[] samples, String purpose) {
        long hash = mix(seed) ^ step;
        for (byte letter : purpose.getBytes(StandardCharsets.UTF_8)) {
            hash = mix(hash ^ letter);
        }
        this.key = hash;
        this.samples = samples;
    }

    /**
     * Evenly from 0 to below 1.
     *
     * @param shape its first extent is the micro-batch's sequences
     * @return fp32
     */
    public Tensor uniform(long... shape) {
        if (shape.length == 0 || shape[0] != samples.length) {
            throw new PipelineException(
                    "random numbers are drawn for each of the %d sequences: the first extent must be that"
                            .formatted(samples.length));
        }
        try (TensorScope scope = new TensorScope()) {
            Tensor drawn = HostTensors.empty(ScalarType.Float, shape);
            for (int row = 0; row < samples.length; row++) {
                Generator generator = torch.make_generator_cpu(mix(key ^ mix(samples[row])));
                drawn.select(0, row).uniform_(0, 1, new GeneratorOptional(generator));
            }
            return scope.keep(drawn);
        }
    }

    /**
     * One number for the whole micro-batch, for generators that know nothing of samples. What they draw can be repeated,
     * but it depends on how a step is cut into micro-batches.
     */
    public long number() {
        long hash = key;
        for (long sample : samples) {
            hash = mix(hash ^ mix(sample));
        }
        return hash;
    }

    /** The finalizer of SplitMix64 (Steele et al. 2014): one changed bit changes half of the result's. */
    private static long mix(long value) {
        long z = value + 0x9E3779B97F4A7C15L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
