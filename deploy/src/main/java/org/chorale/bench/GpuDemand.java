// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Something that is demanded of several GPUs.
 *
 * @param name by which it is asked for on the command line
 * @param what for people
 * @param needed likewise; empty where it is only to be told
 * @param kind of machine on which it means something
 * @param commands whose outputs the reading takes, in order
 */
record GpuDemand(String name, String what, String needed, Kind kind, List<BenchCommand> commands, Reading reading) {
    /** What a demand is about. */
    enum Kind {
        /** What comes out, whatever computes it. */
        RESULT,
        /** What a GPU does and holds, though others may share it. */
        DEVICE,
        SPEED,
        /** The speed of a peer, which needs Python with PyTorch and Transformers. */
        PEER;

        /** Whether it means anything where the ranks compute with these. */
        boolean isMeasuredOn(RankDevices devices) {
            return switch (devices) {
                case CPU -> this == RESULT;
                case CUDA_SHARED -> this == RESULT || this == DEVICE;
                case CUDA -> true;
            };
        }
    }

    /** Makes a finding of what commands have printed. */
    @FunctionalInterface
    interface Reading {
        /**
         * @param outputs of commands that ended well
         * @throws IllegalStateException where they say less than they should
         */
        Finding of(List<BenchOutput> outputs) throws IOException;
    }

    /**
     * What was found.
     *
     * @param met empty where nothing was demanded
     */
    record Finding(String measured, Optional<Boolean> met) {
        static Finding told(String format, Object... arguments) {
            return new Finding(String.format(Locale.ROOT, format, arguments), Optional.empty());
        }

        Finding judged(boolean enough) {
            return new Finding(measured, Optional.of(enough));
        }
    }

    GpuDemand {
        commands = List.copyOf(commands);
    }
}
