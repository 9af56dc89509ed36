// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.Optional;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.pulse.Pulse;
import org.jspecify.annotations.Nullable;

/** Whether a shard, which is deaf while it works, does work; and whether one that was told to leave ever will. */
final class ShardPulse {
    /** A shard that is told to leave and takes no processor time for so long hangs in a call that will not end. */
    private static final Duration SILENCE_OF_THE_LOST = Duration.ofSeconds(10);

    private @Nullable Pulse pulse;
    private long toldToLeaveNanos;
    private long lastBeatNanos;
    private Duration patience = Duration.ZERO; // until run.progress-timeout is known

    /**
     * From now on it is that of a run.
     *
     * @return how often to ask whether it {@link #beats}
     */
    Duration expect(String runConf) {
        patience = ConfigReader.read(runConf, "run", Pulse.Patience.class).progressTimeout();
        return Pulse.interval(patience);
    }

    /** From now on it is this thread's. */
    void follow(Thread thread) {
        pulse = Pulse.of(thread);
    }

    /** Whether it has worked since this was asked before. */
    boolean beats() {
        boolean beats = pulse != null && pulse.beats();
        if (beats) {
            lastBeatNanos = System.nanoTime();
        }
        return beats;
    }

    void toldToLeave() {
        toldToLeaveNanos = System.nanoTime();
    }

    /** For how long it has known. */
    Duration sinceToldToLeave() {
        return Duration.ofNanos(System.nanoTime() - toldToLeaveNanos);
    }

    /** For how long it has been deaf to being told to leave, once that is too long. */
    Optional<Duration> deafFor() {
        long now = System.nanoTime();
        Duration since = Duration.ofNanos(now - toldToLeaveNanos);
        Duration silent = Duration.ofNanos(now - Math.max(lastBeatNanos, toldToLeaveNanos));
        boolean tooLong = silent.compareTo(SILENCE_OF_THE_LOST) >= 0 || since.compareTo(patience) >= 0;
        return tooLong ? Optional.of(since) : Optional.empty();
    }
}
