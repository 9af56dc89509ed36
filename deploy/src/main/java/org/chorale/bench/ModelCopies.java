// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.stream.IntStream;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.SingleRank;
import org.chorale.training.shard.Gathering;
import org.chorale.training.shard.RankGroups;

/**
 * The groups of ranks that hold one or several copies of a model: each copy is cut over neighbouring ranks, and those who
 * hold the same part of it add up its gradients. Closes the groups that it has made, and leaves the world open.
 */
record ModelCopies(RankGroups ranks) implements AutoCloseable {
    /**
     * Called by all ranks.
     *
     * @param name of the groups, not used for others of this world
     * @param copies a divisor of the number of ranks
     */
    static ModelCopies of(Collectives world, String name, int copies, Gathering gathering) {
        int parts = world.worldSize() / copies;
        int copy = world.rank() / parts;
        int part = world.rank() % parts;
        Collectives shard = group(world, name + " shard " + copy, copy * parts, 1, parts);
        Collectives replicas = group(world, name + " replicas " + part, part, parts, copies);
        return new ModelCopies(new RankGroups(world, shard, replicas, gathering, true));
    }

    private static Collectives group(Collectives world, String name, int first, int apart, int size) {
        List<Integer> members =
                IntStream.range(0, size).mapToObj(i -> first + i * apart).toList();
        return size == 1 ? new SingleRank() : world.subgroup(name, members);
    }

    @Override
    public void close() {
        ranks.replicas().close();
        ranks.shard().close();
    }
}
