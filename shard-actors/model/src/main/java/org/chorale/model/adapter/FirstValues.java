// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Initialization;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;

/**
 * What a new adapter begins with: drawn from a seed, or computed from the model's own values. Every part of a parameter is
 * what it is in the whole, so that ranks compute their own.
 */
final class FirstValues {
    /** Numbers of a weight that are read at once. */
    private static final long CHUNK = 1 << 22;

    private static final long[] OF_ROWS = {1};

    private final Map<String, Consumer<Range>> writers = new HashMap<>(); // by parameter

    private record Range(long from, long until, Tensor target) {}

    /** @param principal where the adapter begins with the weights' principal parts; else unused */
    FirstValues(LoraAdapter adapter, BaseValues base, PrincipalParts principal, long seed) {
        for (LoraModule module : adapter.modules()) {
            String down = module.down().name();
            String up = module.up().name();
            double bound = 1 / Math.sqrt((double) module.linear().inputs());
            switch (adapter.config().initialize()) {
                case UNIFORM ->
                    writers.put(down, range -> Initialization.uniform(part(module, range), bound, seed, range.target));
                case GAUSSIAN ->
                    writers.put(
                            down,
                            range -> Initialization.normal(
                                    part(module, range), 1.0 / module.rank(), seed, range.target));
                case PISSA -> {
                    writers.put(down, range -> copy(principal.of(module).down(), range));
                    writers.put(up, range -> copy(principal.of(module).up(), range));
                }
            }
            writers.putIfAbsent(up, range -> range.target.zero_());
            writers.put(module.magnitude().name(), range -> lengths(module, base, range));
        }
    }

    /** Fills a target with the elements [from, until) of one of the adapter's own parameters. */
    void copyInto(String parameter, long from, long until, Tensor target) {
        Objects.requireNonNull(writers.get(parameter), parameter).accept(new Range(from, until, target));
    }

    private static Part part(LoraModule module, Range range) {
        return new Part(module.down().name(), module.down().elements(), range.from, range.until);
    }

    private static void copy(Tensor whole, Range range) {
        try (TensorScope scope = new TensorScope()) {
            range.target.copy_(whole.view(-1L).narrow(0, range.from, range.until - range.from));
        }
    }

    /** The lengths of the base's own rows: an adapter begins as nothing, its principal parts and the rest included. */
    private static void lengths(LoraModule module, BaseValues base, Range range) {
        long inputs = module.linear().inputs();
        long rows = Math.max(1, CHUNK / inputs);
        for (long first = range.from; first < range.until; first += rows) {
            long count = Math.min(rows, range.until - first);
            try (TensorScope scope = new TensorScope()) {
                Tensor part = HostTensors.empty(ScalarType.Double, count * inputs);
                base.copyInto(module.weight(), first * inputs, (first + count) * inputs, part);
                Tensor squares = part.square_().view(count, inputs).sum(OF_ROWS);
                range.target.narrow(0, first - range.from, count).copy_(squares.sqrt_());
            }
        }
    }
}
