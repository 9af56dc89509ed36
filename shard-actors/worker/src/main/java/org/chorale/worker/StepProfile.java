// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.profile.Lane;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.ProfileException;
import org.chorale.tensor.profile.Recording;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.StepLanes;
import org.jspecify.annotations.Nullable;

/**
 * The timeline of some of a rank's steps, where the run wants one: after the first {@value #WARM_UP_STEPS} of this start,
 * in which kernels are compiled and memory is had, or earlier where the run has no more than these. It is written as soon
 * as the last of them has been read. Used on the shard's thread alone.
 */
final class StepProfile implements AutoCloseable {
    static final int WARM_UP_STEPS = 2;

    private static final Lane MAILBOX = new Lane(Kind.ACTOR, "shard's mailbox");
    private static final Lane FEED = new Lane(Kind.ACTOR, "feed");

    private final ProfileConfig config;
    private final int rank;
    private final Collectives ranks;
    private final Device device;
    private final Duration patience;
    private final long first; // step that is recorded, and
    private final long last;
    private @Nullable Recording recording;
    private @Nullable StepLanes lanes;

    private StepProfile(TakeShard order, ProfileConfig config, Collectives ranks, Device device, long stepsDone) {
        this.config = config;
        this.rank = order.rank();
        this.ranks = ranks;
        this.device = device;
        this.patience = RankMeeting.patience(order.runConf());
        this.first = Math.max(
                stepsDone + 1, Math.min(stepsDone + 1 + WARM_UP_STEPS, order.totalSteps() + 1 - config.profileSteps()));
        this.last = Math.min(first + config.profileSteps() - 1, order.totalSteps());
    }

    /**
     * The profile that a run's configuration asks for, if any.
     *
     * @param ranks all of them, whose operations on GPUs are recorded
     * @param stepsDone before this start
     * @throws org.chorale.proto.fault.FaultException where the device cannot be profiled, with what is missing
     */
    static Optional<StepProfile> of(TakeShard order, Collectives ranks, Device device, long stepsDone) {
        ProfileConfig config = ConfigReader.read(order.runConf(), "run", ProfileConfig.class);
        if (!config.isWanted() || stepsDone >= order.totalSteps()) {
            return Optional.empty();
        }
        StepProfile profile = new StepProfile(order, config, ranks, device, stepsDone);
        profile.record().close(); // what cannot be recorded is told now
        return Optional.of(profile);
    }

    /** The step of a batch is about to begin. */
    void beginning(ShardCommand.Batch batch) {
        long step = batch.batch().index();
        if (step == first) {
            Recording started = record();
            ranks.recordIn(started);
            recording = started;
            lanes = new StepLanes(started);
        }
        if (recording != null) {
            recording.add(new Span(FEED, "batch of step " + step, batch.askedNanos(), batch.arrivedNanos(), 0));
        }
    }

    /** A step has been enqueued; on the CPU, computed. */
    void begun(long step, long startNanos) {
        if (lanes != null && step <= last) {
            lanes.begun(step, startNanos);
        }
    }

    /** A step has been read, which after the last one writes the timeline. */
    void over(long step, long startNanos) {
        Recording running = recording;
        if (running == null || lanes == null) {
            return;
        } else if (step < first) {
            lanes = new StepLanes(running); // the first to be recorded began before this one was over
            return;
        }
        lanes.over(step, startNanos);
        if (step == last) {
            write(running);
        }
    }

    /** The shard has waited for a message and carried it out. */
    void handled(Object message, long idleSinceNanos, long startNanos) {
        if (recording != null) {
            String name = message.getClass().getSimpleName();
            recording.add(new Span(MAILBOX, "until " + name, idleSinceNanos, startNanos, 0));
            recording.add(Lane.SHARD, name, startNanos);
        }
    }

    /** Whether the steps that are to be recorded have begun and are not over. */
    boolean isRecording() {
        return recording != null;
    }

    /** What is missed where this closes while it records. */
    String loss() {
        return "the run goes no further, so that %s, with the timeline of the steps %d to %d, is not written"
                .formatted(config.file(rank), first, last);
    }

    @Override
    public void close() {
        if (recording != null) {
            recording.close();
            recording = null;
        }
    }

    private void write(Recording running) {
        Map<String, String> about =
                Map.of("rank", Integer.toString(rank), "steps", first + "-" + last, "device", device.toString());
        running.stop(patience).write(config.file(rank), about);
        recording = null;
    }

    private Recording record() {
        try {
            return Recording.start(device);
        } catch (ProfileException e) {
            throw config.refused(e);
        }
    }
}
