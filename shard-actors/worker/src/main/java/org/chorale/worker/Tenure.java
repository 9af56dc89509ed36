// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.Optional;
import org.chorale.proto.message.WorkerCommand.Abandon;
import org.chorale.proto.message.WorkerCommand.DescribeModel;
import org.chorale.proto.message.WorkerCommand.TakeShard;

/**
 * Which generation a worker's shard serves, and what waits for the fresh shard that follows one that was told to leave; a
 * pure value.
 *
 * @param generation the newest that the worker has heard of
 * @param rank the last that it had; −1 where it has had none
 * @param taken the last order to take a shard, which is carried out or waits; empty once it was given up
 * @param asked a question about the model that waits for a fresh shard
 * @param owesAbandoned whether the coordinator is to be told that the shard has left
 */
record Tenure(
        long generation,
        int rank,
        Phase phase,
        Optional<TakeShard> taken,
        Optional<DescribeModel> asked,
        boolean owesAbandoned) {
    /** How far the present shard is. */
    enum Phase {
        /** It has loaded nothing: it can take any part of a model. */
        FRESH,
        /** It belongs to a generation. */
        TAKEN,
        /** It was told to end; a fresh one follows. */
        LEAVING
    }

    static final Tenure NONE = new Tenure(0, -1, Phase.FRESH, Optional.empty(), Optional.empty(), false);

    boolean isFresh() {
        return phase == Phase.FRESH;
    }

    boolean isLeaving() {
        return phase == Phase.LEAVING;
    }

    /** The order that the shard carries out, where it is of this generation. */
    Optional<TakeShard> serving(long ofGeneration) {
        return taken.filter(order -> phase == Phase.TAKEN && order.generation() == ofGeneration);
    }

    /** A question is put to the shard, unless that is leaving: what such a one is asked is lost. */
    Tenure hears(DescribeModel question) {
        Optional<DescribeModel> waits = isLeaving() ? Optional.of(question) : asked;
        return new Tenure(Math.max(generation, question.generation()), rank, phase, taken, waits, owesAbandoned);
    }

    boolean isStale(TakeShard order) {
        return order.generation() < generation;
    }

    Tenure takes(TakeShard order) {
        return new Tenure(order.generation(), order.rank(), phase, Optional.of(order), asked, owesAbandoned);
    }

    /** One that was repeated on its way must not end what has begun since. */
    boolean isStale(Abandon order) {
        return order.generation() < generation
                || taken.filter(begun -> begun.generation() >= order.generation())
                        .isPresent();
    }

    /** What was taken is given up; a fresh shard has nothing to leave, and so owes nothing later. */
    Tenure abandons(Abandon order) {
        return new Tenure(order.generation(), rank, phase, Optional.empty(), asked, !isFresh());
    }

    Tenure loading() {
        return new Tenure(generation, rank, Phase.TAKEN, taken, asked, owesAbandoned);
    }

    Tenure leaving() {
        return new Tenure(generation, rank, Phase.LEAVING, taken, asked, owesAbandoned);
    }

    /** What a fresh shard in the place of this one loads at once: nothing where this one has ended by itself. */
    Optional<TakeShard> next() {
        return taken.filter(order -> isLeaving());
    }

    /** A fresh shard has come, and what waited for it is dealt with. */
    Tenure renewed() {
        return new Tenure(generation, rank, Phase.FRESH, taken, Optional.empty(), false);
    }
}
