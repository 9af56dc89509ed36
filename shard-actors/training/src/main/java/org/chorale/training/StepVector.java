// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.DoubleBuffer;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.StepSums.Total;
import org.chorale.training.pipeline.LossOutput.Mean;

/**
 * Where the numbers of a step lie in the fp64 vector that all ranks add up: those that a device computes first, then
 * those that the host knows, which reach the device in one copy. There are n names, of which the first are terms.
 *
 * <pre>
 * squares of the gradient | sum 0 | ... | sum n−1 | ranks that stop | ranks with other names | weight 0 | ... | weight n−1
 * </pre>
 *
 * @param keys the n names, see {@link StepTotals}
 * @param terms how many of them are terms
 */
record StepVector(List<String> keys, int terms) {
    private static final int SQUARES = 0;
    private static final int FIRST_SUM = 1;
    private static final int STOPS = 0; // of the host's numbers
    private static final int STRANGERS = 1;
    private static final int FIRST_WEIGHT = 2;

    StepVector {
        keys = List.copyOf(keys);
    }

    static StepVector of(Collection<String> names) {
        List<String> terms = names.stream().filter(StepTotals::isTerm).toList();
        Stream<String> metrics = names.stream().filter(name -> !StepTotals.isTerm(name));
        return new StepVector(Stream.concat(terms.stream(), metrics).toList(), terms.size());
    }

    int length() {
        return hostNumbers() + FIRST_WEIGHT + keys.size();
    }

    private int hostNumbers() {
        return FIRST_SUM + keys.size();
    }

    /** What of a rank's is not in the vector, in its order. */
    Map<String, Mean> strangers(Map<String, Mean> own) {
        Map<String, Mean> others = new LinkedHashMap<>(own);
        others.keySet().removeAll(keys);
        return others;
    }

    /**
     * A rank's own vector, made without waiting for the device. In the caller's scope.
     *
     * @param squares [1] fp64
     * @param own each sum [1] fp64
     */
    Tensor fill(Tensor squares, Map<String, Mean> own, boolean stop, Device device) {
        try (TensorScope scope = new TensorScope()) {
            Tensor known = upload(own, stop, device);
            Tensor zero = known.narrow(0, known.numel() - 1, 1);
            TensorVector parts = new TensorVector(squares);
            for (String key : keys) {
                Mean mean = own.get(key);
                parts.push_back(mean == null ? zero : moved(mean.sum(), device));
            }
            parts.push_back(known.narrow(0, 0, known.numel() - 1));
            return scope.keep(torch.cat(parts));
        }
    }

    /** The host's numbers, and a 0 behind them. */
    private Tensor upload(Map<String, Mean> own, boolean stop, Device device) {
        double[] numbers = new double[FIRST_WEIGHT + keys.size() + 1];
        numbers[STOPS] = stop ? 1 : 0;
        numbers[STRANGERS] = strangers(own).isEmpty() ? 0 : 1;
        for (int i = 0; i < keys.size(); i++) {
            Mean mean = own.get(keys.get(i));
            numbers[FIRST_WEIGHT + i] = mean == null ? 0 : mean.weight();
        }
        Tensor staged = device.staging(ScalarType.Double, numbers.length);
        staged.<DoubleBuffer>createBuffer().put(numbers);
        return device.copyOf(staged);
    }

    /** A user's metric may have been computed on the host. */
    static Tensor moved(Tensor sum, Device device) {
        return sum.is_cpu() ? device.copyOf(sum) : sum;
    }

    /** [1] */
    Tensor squares(Tensor vector) {
        return vector.narrow(0, SQUARES, 1);
    }

    /** [terms] */
    Tensor termSums(Tensor vector) {
        return vector.narrow(0, FIRST_SUM, terms);
    }

    /** [terms] */
    Tensor termWeights(Tensor vector) {
        return vector.narrow(0, hostNumbers() + FIRST_WEIGHT, terms);
    }

    boolean isStopped(double[] values) {
        return values[hostNumbers() + STOPS] > 0;
    }

    /** Whether any rank has names that are not in the vector. */
    boolean hasStrangers(double[] values) {
        return values[hostNumbers() + STRANGERS] > 0;
    }

    Map<String, Total> totals(double[] values) {
        Map<String, Total> totals = new LinkedHashMap<>();
        for (int i = 0; i < keys.size(); i++) {
            totals.put(keys.get(i), new Total(values[FIRST_SUM + i], values[hostNumbers() + FIRST_WEIGHT + i]));
        }
        return totals;
    }
}
