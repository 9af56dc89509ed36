// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.safetensors.StoredType;

/**
 * Where the parameters of a unit lie in its flat buffers, as the coordinator's plan says it.
 *
 * @param name of the unit
 * @param groups one flat buffer each
 */
public record UnitLayout(String name, List<Group> groups) {
    /** What memory accesses of every device are aligned to. */
    private static final int ALIGNMENT_BYTES = 256;

    public UnitLayout {
        groups = List.copyOf(groups);
    }

    /**
     * One flat buffer.
     *
     * @param trainable whether its parameters are trained; the others are kept as they are by every step
     * @param precision in which forward and backward read it
     * @param fp8 whether ranks that hold parts give each other those in FP8: all are weights of linears that read them so
     * @param elements of the whole buffer, padding included
     * @param from first element of the part that this rank holds
     * @param until end of that part
     */
    public record Group(
            boolean trainable,
            Precision precision,
            boolean fp8,
            long elements,
            List<Segment> segments,
            long from,
            long until) {
        public Group {
            segments = List.copyOf(segments);
            if (fp8 && precision.stored() != StoredType.BF16) {
                throw new IllegalArgumentException("FP8 is made of bf16, not of %s".formatted(precision.stored()));
            }
            if (from < 0 || from > until || until > elements) {
                throw new IllegalArgumentException(
                        "part [%d, %d) of a buffer of %d elements".formatted(from, until, elements));
            }
        }

        /** Held whole by one rank. */
        public Group(boolean trainable, Precision precision, boolean fp8, long elements, List<Segment> segments) {
            this(trainable, precision, fp8, elements, segments, 0, elements);
        }

        /** The same with so many elements, of which a rank holds [from, until). */
        public Group cut(long all, long first, long end) {
            return new Group(trainable, precision, fp8, all, segments, first, end);
        }

        /** Elements of the part that this rank holds. */
        public long held() {
            return until - from;
        }

        /** What this rank holds of each parameter, in the buffer's order; nothing of those that lie elsewhere. */
        public List<Slice> slices() {
            return segments.stream()
                    .map(this::slice)
                    .filter(slice -> slice.elements() > 0)
                    .toList();
        }

        /** The padding of the whole buffer, where there is any. */
        List<Gap> gaps() {
            List<Gap> gaps = new ArrayList<>();
            long end = 0;
            for (Segment segment : segments) {
                gaps.add(new Gap(end, segment.offset()));
                end = segment.end();
            }
            gaps.add(new Gap(end, elements));
            return gaps.stream().filter(gap -> gap.elements() > 0).toList();
        }

        private Slice slice(Segment segment) {
            long first = Math.max(from, segment.offset());
            long last = Math.min(until, segment.end());
            return new Slice(segment, first - segment.offset(), last - segment.offset(), first - from);
        }

        /** The dtype of the whole values that parts are gathered to; where one rank holds all, of what it holds. */
        public StoredType gatheredType() {
            return fp8 && held() < elements ? StoredType.F8_E4M3 : precision.stored();
        }

        /** The dtype that a rank holds between steps: that of the master weights, or of the computation. */
        public StoredType heldType() {
            return heldType(trainable, precision);
        }

        /** Likewise, of a parameter that has no buffer yet. */
        public static StoredType heldType(boolean trainable, Precision precision) {
            return trainable ? precision.master() : precision.stored();
        }
    }

    /**
     * A parameter's place.
     *
     * @param offset of its first element in the buffer
     */
    public record Segment(String parameter, List<Long> shape, long offset) {
        public Segment {
            shape = List.copyOf(shape);
        }

        /** Numbers in the parameter. */
        public long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }

        /** Behind its last element. */
        long end() {
            return offset + elements();
        }

        /** The shape as libtorch takes it. */
        public long[] extents() {
            return shape.stream().mapToLong(Long::longValue).toArray();
        }
    }

    /** The elements [from, until) of a buffer, which belong to no parameter. */
    record Gap(long from, long until) {
        long elements() {
            return until - from;
        }
    }

    /**
     * The elements [from, until) of a parameter, counted in row-major order.
     *
     * @param at where they begin in the part of the buffer that a rank holds
     */
    public record Slice(Segment segment, long from, long until, long at) {
        /** Numbers in it. */
        public long elements() {
            return until - from;
        }

        /** Whether it is the whole parameter. */
        public boolean whole() {
            return elements() == segment.elements();
        }
    }

    /** As trained in fp32 by one rank: for commands that run outside any cluster. */
    public static UnitLayout whole(UnitOutline unit) {
        return whole(unit, Precision.FP32);
    }

    /** What is trained in one buffer and what is frozen in another, on one rank. */
    public static UnitLayout whole(UnitOutline unit, Precision precision) {
        return whole(unit, precision, parameter -> false);
    }

    /** Likewise, with buffers of their own for the parameters of these names, which parts of will be gathered in FP8. */
    public static UnitLayout whole(UnitOutline unit, Precision precision, Predicate<String> fp8) {
        List<Group> groups = new ArrayList<>();
        for (boolean trainable : new boolean[] {true, false}) {
            for (boolean bytes : new boolean[] {false, true}) {
                List<ParameterOutline> members = unit.parameters().stream()
                        .filter(parameter -> parameter.trainable() == trainable && fp8.test(parameter.name()) == bytes)
                        .toList();
                if (!members.isEmpty()) {
                    groups.add(group(members, trainable, bytes, precision));
                }
            }
        }
        return new UnitLayout(unit.name(), groups);
    }

    /** Everything frozen, for commands that only run forward: no gradients and no master weights are held. */
    public static UnitLayout frozen(UnitOutline unit, Precision precision) {
        return new UnitLayout(unit.name(), List.of(group(unit.parameters(), false, false, precision)));
    }

    private static Group group(List<ParameterOutline> parameters, boolean trainable, boolean fp8, Precision precision) {
        long alignment = (long) ALIGNMENT_BYTES
                * Byte.SIZE
                / Group.heldType(trainable, precision).bits();
        List<Segment> segments = new ArrayList<>();
        long offset = 0;
        for (ParameterOutline parameter : parameters) {
            segments.add(new Segment(parameter.name(), parameter.shape(), offset));
            offset += (parameter.elements() + alignment - 1) / alignment * alignment;
        }
        return new Group(trainable, precision, fp8, offset, segments);
    }
}
