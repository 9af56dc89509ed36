// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.fp8.QuantiseKernel;
import org.chorale.model.fp8.ScaledRuns;
import org.chorale.model.fp8.ScaledRuns.Run;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * The scales of all weights that ranks give each other in FP8: of each the largest absolute value of what it is in bf16,
 * over the parts of all ranks. So every rank makes those bytes of its part that a rank would which had the whole.
 *
 * <p>They are found before the first gather after the weights have changed, once for all units: a launch for each, and
 * one all-reduce of 8 bytes for each scale. Weights that are read as one matrix, such as those of query, key and value,
 * have one scale where they lie in one buffer. What is frozen has scales of its own, which are found once.
 */
final class Fp8Scales implements AutoCloseable {
    private final Collectives ranks; // that hold one copy of the model between them
    private final HeldTensors owner = new HeldTensors();
    private final Map<FlatGroup, ScaledRuns> runs =
            new LinkedHashMap<>(); // of groups of which this rank has more than padding
    private final Map<Parameter, Tensor> inverseOf =
            new HashMap<>(); // [1] each; the same object where a scale is shared
    private final Tensor bits; // [scales] int64, see QuantiseKernel
    private final Tensor inverses; // [scales, INVERSE_LANES] fp32, the first of each row
    private boolean known;

    /** Those of what is trained and of what is frozen, as far as there are any; the groups ask them from now on. */
    static List<Fp8Scales> of(List<FsdpUnit> units, Collectives ranks, Device device) {
        return Stream.of(true, false)
                .map(trainable -> units.stream()
                        .flatMap(unit -> unit.groups().stream())
                        .filter(group -> group.isGatheredInFp8() && group.trainable() == trainable)
                        .toList())
                .filter(groups -> !groups.isEmpty())
                .map(groups -> new Fp8Scales(groups, ranks, device))
                .toList();
    }

    private Fp8Scales(List<FlatGroup> groups, Collectives ranks, Device device) {
        this.ranks = ranks;
        Map<Parameter, Integer> numbers = numbers(groups);
        int scales = Set.copyOf(numbers.values()).size();
        try (TensorScope scope = new TensorScope()) {
            this.bits = owner.hold(device.zeros(ScalarType.Long, scales));
            this.inverses = owner.hold(device.zeros(ScalarType.Float, scales, QuantiseKernel.INVERSE_LANES));
            List<Tensor> each = IntStream.range(0, scales)
                    .mapToObj(scale -> owner.hold(inverses.select(0, scale).narrow(0, 0, 1)))
                    .toList();
            numbers.forEach((weight, scale) -> inverseOf.put(weight, each.get(scale)));
            for (FlatGroup group : groups) {
                List<Run> ofGroup = runs(group, numbers);
                if (!ofGroup.isEmpty()) {
                    runs.put(group, ScaledRuns.of(ofGroup, device, owner));
                }
            }
        } catch (RuntimeException e) { // no memory: what was had is given back
            owner.close();
            throw e;
        }
        groups.forEach(group -> group.scaledBy(this));
    }

    /** Of the scale of each weight, from 0: those that are read as one have the number of the first, which comes first. */
    private static Map<Parameter, Integer> numbers(List<FlatGroup> groups) {
        Map<Parameter, Integer> numbers = new LinkedHashMap<>();
        int next = 0;
        for (FlatGroup group : groups) {
            Collection<Parameter> weights = group.parameters().values();
            for (Parameter weight : weights) {
                List<Parameter> together = weight.scaledWith();
                Integer shared = weights.containsAll(together) ? numbers.get(together.get(0)) : null;
                numbers.put(weight, shared == null ? next++ : shared);
            }
        }
        return numbers;
    }

    private static List<Run> runs(FlatGroup group, Map<Parameter, Integer> numbers) {
        List<Run> runs = new ArrayList<>();
        for (Slice slice : group.layout().slices()) {
            int scale = Objects.requireNonNull(numbers.get(group.parameter(slice.segment())));
            runs.add(new Run(slice.at(), slice.elements(), scale));
        }
        return runs;
    }

    /** Weights have changed: the scales are found again when they are needed. */
    void expire() {
        known = false;
    }

    /** Finds the scales, unless they are known: all ranks, at the same place in their order of collectives. */
    void find() {
        if (known) {
            return;
        }
        QuantiseKernel kernel = QuantiseKernel.of(bits);
        bits.zero_();
        runs.forEach((group, ofGroup) -> kernel.addLargest(group.weights(), ofGroup, bits));
        ranks.allReduce(bits, Reduction.MAX).await();
        kernel.invert(bits, inverses);
        known = true;
    }

    /** Writes this rank's part of a group in E4M3. */
    void quantise(FlatGroup group, Tensor bytes) {
        ScaledRuns ofGroup = runs.get(group);
        if (ofGroup != null) {
            QuantiseKernel.of(bytes).quantise(group.weights(), ofGroup, bits, bytes);
        }
    }

    /** What a weight's bytes are multiplied by, [1]. */
    Tensor inverse(Parameter weight) {
        return Objects.requireNonNull(inverseOf.get(weight));
    }

    @Override
    public void close() {
        owner.close();
    }
}
