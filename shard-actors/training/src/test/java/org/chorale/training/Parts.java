// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.collective.Collectives;
import org.chorale.training.shard.Gathering;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;

/** Ranks that hold a part each and never speak with each other, for what a rank does alone. */
final class Parts {
    private Parts() {}

    /** The buffers of a model cut evenly, wherever that is. */
    static List<UnitLayout> layout(List<UnitOutline> units, Precision precision, int rank, int world) {
        return units.stream()
                .map(unit -> UnitLayout.whole(unit, precision))
                .map(unit -> new UnitLayout(
                        unit.name(),
                        unit.groups().stream()
                                .map(group -> part(group, rank, world))
                                .toList()))
                .toList();
    }

    private static UnitLayout.Group part(UnitLayout.Group whole, int rank, int world) {
        long held = (whole.elements() + world - 1) / world;
        return whole.cut(held * world, rank * held, (rank + 1) * held);
    }

    static RankGroups groups(int rank, int world) {
        return new RankGroups(new Alone(rank, world), new Alone(rank, world), new Alone(0, 1), Gathering.PER_USE, true);
    }

    /** A group whose other ranks are not there. */
    private record Alone(int rank, int worldSize) implements Collectives {
        @Override
        public Pending allGather(Tensor whole, Tensor part) {
            throw alone();
        }

        @Override
        public Pending reduceScatter(Tensor part, Tensor whole) {
            throw alone();
        }

        @Override
        public Pending allReduce(Tensor values, Reduction reduction) {
            throw alone();
        }

        @Override
        public Pending broadcast(Tensor values, int root) {
            throw alone();
        }

        @Override
        public Pending send(Tensor values, int to) {
            throw alone();
        }

        @Override
        public Pending receive(Tensor values, int from) {
            throw alone();
        }

        @Override
        public Pending barrier() {
            throw alone();
        }

        @Override
        public Collectives subgroup(String name, List<Integer> ranks) {
            throw alone();
        }

        @Override
        public void check() {}

        @Override
        public void abort() {}

        @Override
        public void close() {}

        private static UnsupportedOperationException alone() {
            return new UnsupportedOperationException("no other rank is there");
        }
    }
}
