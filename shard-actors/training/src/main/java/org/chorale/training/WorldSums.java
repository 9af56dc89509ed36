// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.training.StepSums.Total;

/**
 * Adds up what each rank knows by name, in one all-reduce of a vector whose layout all ranks have agreed on:
 *
 * <pre>
 * number 0 | number 1 | ... | ranks with other names | sum 0 | weight 0 | sum 1 | weight 1 | ...
 * </pre>
 *
 * The names are those that any rank has had so far. A rank that has others says so in the vector; then all exchange
 * theirs and add up once more.
 */
final class WorldSums {
    /** What all ranks have together. */
    record Sums(List<Double> numbers, Map<String, Total> totals) {
        double number(int index) {
            return numbers.get(index);
        }
    }

    private final Collectives world;
    private final NameExchange names;

    WorldSums(Collectives world) {
        this.world = world;
        this.names = new NameExchange(world);
    }

    /** @throws org.chorale.tensor.collective.CollectiveException where a rank was lost */
    void check() {
        world.check();
    }

    /**
     * Called by all ranks.
     *
     * @param numbers as many on every rank
     * @param own by name; in the result come those of rank 0 first, in their order
     */
    Sums add(Map<String, Total> own, double... numbers) {
        if (world.worldSize() == 1) {
            return new Sums(list(numbers, numbers.length), own);
        }
        boolean stranger = !names.known().containsAll(own.keySet());
        double[] sums = allReduce(vector(own, numbers, stranger));
        if (sums[numbers.length] > 0) {
            names.exchange(List.copyOf(own.keySet()));
            sums = allReduce(vector(own, numbers, false));
        }
        return read(sums, numbers.length);
    }

    private double[] vector(Map<String, Total> own, double[] numbers, boolean stranger) {
        List<String> known = names.known();
        double[] vector = Arrays.copyOf(numbers, numbers.length + 1 + 2 * known.size());
        int at = numbers.length;
        vector[at++] = stranger ? 1 : 0;
        for (String name : known) {
            Total total = own.getOrDefault(name, Total.NOTHING);
            vector[at++] = total.sum();
            vector[at++] = total.weight();
        }
        return vector;
    }

    private Sums read(double[] sums, int numbers) {
        Map<String, Total> totals = new LinkedHashMap<>();
        int at = numbers + 1;
        for (String name : names.known()) {
            totals.put(name, new Total(sums[at], sums[at + 1]));
            at += 2;
        }
        return new Sums(list(sums, numbers), totals);
    }

    private static List<Double> list(double[] values, int count) {
        return Arrays.stream(values, 0, count).boxed().toList();
    }

    private double[] allReduce(double[] values) {
        try (TensorScope scope = new TensorScope()) {
            Tensor vector = HostTensors.empty(ScalarType.Double, values.length);
            DoubleBuffer buffer = vector.createBuffer();
            buffer.put(values);
            world.allReduce(vector, Reduction.SUM).await();
            double[] sums = new double[values.length];
            buffer.rewind().get(sums);
            return sums;
        }
    }
}
