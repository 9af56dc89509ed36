// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.SingleRank;

/**
 * The groups that a rank computes with. Closing it closes the three.
 *
 * @param world all ranks of the run
 * @param shard the ranks that hold one copy of the model between them, this one included
 * @param replicas the ranks that hold the same part as this one, this one included; world = shard × replicas
 * @param gathering how long whole parameters are held
 * @param reduceEachMicroBatch whether gradients are reduced after each micro-batch, so that only this rank's part of
 *     them is held in between; else once in a step, from whole gradients
 */
public record RankGroups(
        Collectives world, Collectives shard, Collectives replicas, Gathering gathering, boolean reduceEachMicroBatch)
        implements AutoCloseable {
    public RankGroups {
        if (world.worldSize() != shard.worldSize() * replicas.worldSize()) {
            throw new IllegalArgumentException("%d ranks are not %d parts of the model times %d copies"
                    .formatted(world.worldSize(), shard.worldSize(), replicas.worldSize()));
        }
    }

    /** A rank that holds and computes everything. */
    public static RankGroups alone() {
        return new RankGroups(new SingleRank(), new SingleRank(), new SingleRank(), Gathering.ALWAYS, false);
    }

    /** Makes every pending and later operation of all three throw, here and at the peers. Called from any thread. */
    public void abort() {
        world.abort();
        shard.abort();
        replicas.abort();
    }

    @Override
    public void close() {
        replicas.close();
        shard.close();
        world.close();
    }
}
