// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.proto.wire.Gathering;

/**
 * The keys under {@code parallel}.
 *
 * @param workers that share the model, a rank each
 * @param isolation where they run
 * @param device what they compute with
 * @param mode what of the model each of them holds between its uses
 * @param shardSize ranks that hold one copy between them; only where the mode is hybrid
 * @param reduce when gradients are reduced; empty for what suits the mode
 * @param feeders that make the workers' batches
 * @param recoveries in a row that may bring the run no further
 */
public record ParallelSettings(
        int workers,
        Isolation isolation,
        Device device,
        Mode mode,
        Optional<Integer> shardSize,
        Optional<Reduce> reduce,
        int feeders,
        int recoveries) {
    private static final int MAX_WORKERS = 1024;

    /** The same, with workers elsewhere. */
    public ParallelSettings with(Isolation other) {
        return new ParallelSettings(workers, other, device, mode, shardSize, reduce, feeders, recoveries);
    }

    /** Where workers run. */
    public enum Isolation {
        /** Each in a process of its own, whose death the run survives. */
        PROCESS,
        /** In the JVM of the coordinator. */
        IN_PROCESS
    }

    /** What all workers of a run compute with. */
    public enum Device {
        /** A GPU each where there are as many, else the CPU. */
        AUTO,
        CPU,
        /** A GPU each. */
        CUDA,
        /** GPUs, on each of which there may be several workers. */
        CUDA_SHARED
    }

    /** How the model is cut over the ranks, in the words of FSDP. */
    public enum Mode {
        FULL_SHARD(Gathering.PER_USE),
        KEEP_GATHERED(Gathering.PER_STEP),
        OPTIMIZER_ONLY(Gathering.ALWAYS),
        REPLICATE(Gathering.ALWAYS),
        HYBRID(Gathering.PER_USE);

        private final Gathering gathering;

        Mode(Gathering gathering) {
            this.gathering = gathering;
        }
    }

    /** When the gradients of all ranks become one. */
    public enum Reduce {
        STEP,
        MICRO_BATCH
    }

    public ParallelSettings {
        int size = shardSize.orElse(0);
        boolean divides = size > 1 && size < workers && workers % size == 0;
        new SettingProblems()
                .require(workers >= 1 && workers <= MAX_WORKERS, "parallel.workers", workers, "from 1 to 1024")
                .require(
                        mode != Mode.HYBRID || divides,
                        "parallel.shard-size",
                        shardSize.map(String::valueOf).orElse("null"),
                        "more than 1, less than parallel.workers and a divisor of it where parallel.mode is hybrid")
                .require(
                        mode == Mode.HYBRID || size == 0, "parallel.shard-size", size, "null unless the mode is hybrid")
                .require(
                        mode != Mode.REPLICATE || reduce.orElse(Reduce.STEP) == Reduce.STEP,
                        "parallel.reduce",
                        "micro-batch",
                        "step where parallel.mode is replicate: every rank holds all gradients anyway")
                .require(
                        feeders >= 1 && feeders <= Math.max(workers, 1),
                        "parallel.feeders",
                        feeders,
                        "from 1 to parallel.workers")
                .require(recoveries >= 0, "parallel.recoveries", recoveries, "0 or more")
                .throwAny();
    }

    /** Everything in one place: for a model that is only measured. */
    static ParallelSettings single() {
        return new ParallelSettings(
                1, Isolation.IN_PROCESS, Device.AUTO, Mode.REPLICATE, Optional.empty(), Optional.empty(), 1, 0);
    }

    /** Ranks that hold one copy of the model between them. */
    int ranksPerCopy() {
        return switch (mode) {
            case FULL_SHARD, KEEP_GATHERED, OPTIMIZER_ONLY -> workers;
            case REPLICATE -> 1;
            case HYBRID -> shardSize.orElseThrow();
        };
    }

    /** How long ranks hold whole parameters; a rank that holds them alone has nothing to gather. */
    Gathering gathering() {
        return ranksPerCopy() == 1 ? Gathering.ALWAYS : mode.gathering;
    }

    /** Whether gradients are reduced after each micro-batch; else once in a step. */
    boolean reduceEachMicroBatch() {
        Reduce fitting = gathering() == Gathering.PER_USE ? Reduce.MICRO_BATCH : Reduce.STEP;
        return ranksPerCopy() > 1 && reduce.orElse(fitting) == Reduce.MICRO_BATCH;
    }
}
