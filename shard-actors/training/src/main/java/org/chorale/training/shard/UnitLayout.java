// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayList;
import java.util.List;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * Where the parameters of a unit lie in its flat buffers, as the coordinator's plan says it.
 *
 * @param name of the unit
 * @param groups one flat buffer each
 */
public record UnitLayout(String name, List<Group> groups) {
    /** 256 bytes of fp32: what memory accesses of every device are aligned to. */
    private static final long ALIGNMENT_ELEMENTS = 64;

    public UnitLayout {
        groups = List.copyOf(groups);
    }

    /**
     * One flat buffer.
     *
     * @param elements of the whole buffer, padding included
     */
    public record Group(long elements, List<Segment> segments) {
        public Group {
            segments = List.copyOf(segments);
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

        /** The shape as libtorch takes it. */
        public long[] extents() {
            return shape.stream().mapToLong(Long::longValue).toArray();
        }
    }

    /** Everything in one buffer on one rank: for commands that run outside any cluster. */
    public static UnitLayout whole(UnitOutline unit) {
        List<Segment> segments = new ArrayList<>();
        long offset = 0;
        for (ParameterOutline parameter : unit.parameters()) {
            segments.add(new Segment(parameter.name(), parameter.shape(), offset));
            offset += roundUp(parameter.elements());
        }
        return new UnitLayout(unit.name(), List.of(new Group(offset, segments)));
    }

    private static long roundUp(long elements) {
        return (elements + ALIGNMENT_ELEMENTS - 1) / ALIGNMENT_ELEMENTS * ALIGNMENT_ELEMENTS;
    }
}
