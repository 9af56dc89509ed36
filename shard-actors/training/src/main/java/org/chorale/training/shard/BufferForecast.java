// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.List;
import java.util.function.ToLongFunction;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.DecoderMemory;

/**
 * Bytes that whole buffers and the parts of gradients take in a step, by the units' sizes: what comes and goes beside
 * activations and all that is held. While the backward of unit u ends, in a step of one micro-batch:
 *
 * <pre>
 *                 whole values     whole gradients     parts of gradients
 * full shard      u, u−1           u, u+1              u and all after it
 * keep gathered   u and before     u, u+1              u and all after it
 * always there    none             u, u+1              u and all after it
 * </pre>
 *
 * u+1 is on its way to the ranks, u−1 from them. A tied root is open throughout. Where a step has several micro-batches,
 * parts are there from the first one on, or, where gradients are reduced once, whole gradients.
 */
public final class BufferForecast implements DecoderMemory.Beside {
    private final List<Size> units;
    private final List<String> names; // in the order of the units
    private final RankGroups ranks;
    private final boolean accumulates;

    /** Bytes of what comes and goes of a unit; nothing where this rank holds all of it. */
    private record Size(long values, long gradients, long part) {
        static Size of(UnitLayout unit) {
            List<UnitLayout.Group> shared = unit.groups().stream()
                    .filter(group -> group.held() < group.elements())
                    .toList();
            List<UnitLayout.Group> trained =
                    shared.stream().filter(UnitLayout.Group::trainable).toList();
            return new Size(
                    sum(shared, BufferForecast::valueBytes),
                    sum(trained, group -> Float.BYTES * group.elements()),
                    sum(trained, group -> Float.BYTES * group.held()));
        }

        private static long sum(List<UnitLayout.Group> groups, ToLongFunction<UnitLayout.Group> bytes) {
            return groups.stream().mapToLong(bytes).sum();
        }
    }

    /**
     * Of a rank's plan.
     *
     * @param accumulates whether a step may have several micro-batches
     */
    public BufferForecast(List<UnitLayout> plan, RankGroups ranks, boolean accumulates) {
        this.units = plan.stream().map(Size::of).toList();
        this.names = plan.stream().map(UnitLayout::name).toList();
        this.ranks = ranks;
        this.accumulates = accumulates;
    }

    /** The most of all moments of a step. */
    public long mostBytes() {
        return names.stream().mapToLong(this::inBackward).reduce(atLoss(), Math::max);
    }

    @Override
    public long atLoss() {
        int head = isTied() ? units.size() : names.indexOf(DecoderConfig.HEAD_UNIT);
        return values(head) + gradients(head) + (partsStay() ? sum(0, units.size(), Size::part) : 0);
    }

    @Override
    public long inBackward(String unit) {
        int at = names.indexOf(unit);
        if (at < 0) {
            throw new IllegalArgumentException("the shard plan has no unit " + unit);
        }
        return values(at) + gradients(at) + parts(at);
    }

    private long values(int at) {
        return switch (ranks.gathering()) {
            case PER_USE -> sum(Math.max(1, at - 1), at + 1, Size::values) + (isTied() ? units.get(0).values : 0);
            case PER_STEP -> sum(0, accumulates ? units.size() : at + 1, Size::values);
            case ALWAYS -> 0;
        };
    }

    private long gradients(int at) {
        if (accumulates && !ranks.reduceEachMicroBatch()) {
            return sum(0, at + 2, Size::gradients);
        }
        boolean rootIsOpen = isTied() || at == 0;
        return sum(Math.max(1, at), at + 2, Size::gradients) + (rootIsOpen ? units.get(0).gradients : 0);
    }

    /** Where they are there already, those of this micro-batch come beside them, to be added. */
    private long parts(int at) {
        return partsStay()
                ? sum(0, units.size(), Size::part) + sum(at, at + 2, Size::part)
                : sum(at, units.size(), Size::part);
    }

    private boolean partsStay() {
        return accumulates && ranks.reduceEachMicroBatch();
    }

    private static long valueBytes(UnitLayout.Group group) {
        return group.elements() * group.gatheredType().bits() / Byte.SIZE;
    }

    /** Of the units [from, until), as far as there are such. */
    private long sum(int from, int until, ToLongFunction<Size> bytes) {
        int end = Math.min(until, units.size());
        return from < end ? units.subList(from, end).stream().mapToLong(bytes).sum() : 0;
    }

    private boolean isTied() {
        return !names.contains(DecoderConfig.HEAD_UNIT);
    }
}
