// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.List;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Group;
import org.chorale.training.shard.UnitLayout.Segment;

/** Leaves a gap between the first two experts of a unit, so that the experts are not evenly spaced. */
final class ExpertGap {
    private static final String SECOND_EXPERT = ".experts.1.";
    private static final long GAP = 128; // elements: 256 bytes of the smallest dtype

    private ExpertGap() {}

    static UnitLayout in(UnitLayout unit) {
        return new UnitLayout(
                unit.name(), unit.groups().stream().map(ExpertGap::in).toList());
    }

    private static Group in(Group group) {
        List<Segment> segments = new ArrayList<>();
        long shift = 0;
        for (Segment segment : group.segments()) {
            shift = segment.parameter().contains(SECOND_EXPERT) ? GAP : shift;
            segments.add(new Segment(segment.parameter(), segment.shape(), segment.offset() + shift));
        }
        return new Group(group.trainable(), group.precision(), group.fp8(), group.elements() + shift, segments);
    }
}
