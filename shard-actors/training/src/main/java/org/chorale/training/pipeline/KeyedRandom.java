// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * Random numbers that depend on the run's seed, the step, the sample and the purpose, and on nothing else: a sample gets
 * the same ones whatever its row, its micro-batch, the padding beside it, and however often they are drawn. So a step can
 * be repeated, cut into other micro-batches, or run by other ranks.
 */
public final class KeyedRandom {
    private final long key;
    private final long[] samples;
    private final Device device;

    /**
     * Numbers for one purpose, which sets them apart from those for others.
     *
     * @param samples a number for each sequence
     * @param device where the tensors are to be; the numbers are the same on each
     */
    public KeyedRandom(long seed, long step, long[] samples, String purpose, Device device) {
        long hash = mix(seed) ^ step;
        for (byte letter : purpose.getBytes(StandardCharsets.UTF_8)) {
            hash = mix(hash ^ letter);
        }
        this.key = hash;
        this.samples = samples;
        this.device = device;
    }

    /**
     * Evenly from 0 to below 1.
     *
     * @param shape its first extent is the micro-batch's sequences
     * @return fp32
     */
    public Tensor uniform(long... shape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(device.copyOf(drawn(device.staging(ScalarType.Float, checked(shape)))));
        }
    }

    /**
     * Whole numbers from 0 to below a bound, all alike probable.
     *
     * @param shape its first extent is the micro-batch's sequences
     * @return int64
     */
    public Tensor below(long bound, long... shape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor places = drawn(HostTensors.empty(ScalarType.Double, checked(shape)))
                    .mul_(new Scalar((double) bound))
                    .floor_();
            return scope.keep(device.copyOf(
                    device.staging(ScalarType.Long, shape).copy_(places.clamp_max_(new Scalar(bound - 1.0)))));
        }
    }

    /**
     * From N(0, 1): of each pair of uniform numbers the transform of Box and Muller (1958), in fp64. libtorch's own draws
     * depend on how many are drawn, this one's do not.
     *
     * @param shape its first extent is the micro-batch's sequences
     * @return fp32
     */
    public Tensor normal(long... shape) {
        long[] pairs = Arrays.copyOf(checked(shape), shape.length + 1);
        pairs[shape.length] = 2;
        try (TensorScope scope = new TensorScope()) {
            Tensor drawn = drawn(HostTensors.empty(ScalarType.Double, pairs));
            Tensor radii = drawn.select(-1, 0).neg().log1p().mul(Scalars.of(-2)).sqrt(); // 1 − u is never 0
            Tensor angles = drawn.select(-1, 1).mul(Scalars.of(2 * Math.PI));
            return scope.keep(
                    device.copyOf(device.staging(ScalarType.Float, shape).copy_(radii.mul_(angles.cos_()))));
        }
    }

    private long[] checked(long[] shape) {
        if (shape.length == 0 || shape[0] != samples.length) {
            throw new PipelineException(
                    "random numbers are drawn for each of the %d sequences: the first extent must be that"
                            .formatted(samples.length));
        }
        return shape;
    }

    private Tensor drawn(Tensor empty) {
        try (TensorScope scope = new TensorScope()) {
            Generator generator = torch.make_generator_cpu();
            GeneratorOptional given = new GeneratorOptional(generator);
            for (int row = 0; row < samples.length; row++) {
                generator.set_current_seed(mix(key ^ mix(samples[row])));
                empty.select(0, row).uniform_(0, 1, given);
            }
            return empty;
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
