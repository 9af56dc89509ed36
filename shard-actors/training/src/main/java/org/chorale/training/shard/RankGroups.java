// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import org.chorale.tensor.collective.Collectives;

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
    @Override
    public void close() {
        replicas.close();
        shard.close();
        world.close();
    }
}
