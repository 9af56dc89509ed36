// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;

/**
 * Gradients on their way between the ranks of a step: first from whole buffers to the parts within a copy of the model,
 * then between the copies. While one group's are on their way, the backward of the next goes on.
 */
final class GradientTraffic {
    /** Each holds a whole buffer of gradients. */
    private static final int IN_FLIGHT = 1;

    private record Scatter(FlatGroup group, boolean last, Pending pending) {}

    private final RankGroups ranks;
    private final Deque<Scatter> scatters = new ArrayDeque<>();
    private final Deque<Pending> sums = new ArrayDeque<>(); // over the copies
    private final Set<FlatGroup> complete = new HashSet<>();

    GradientTraffic(RankGroups ranks) {
        this.ranks = ranks;
    }

    void beginStep() {
        complete.clear();
    }

    /**
     * Sends a group's gradients on.
     *
     * @param last whether the step adds no more to them
     */
    void send(FlatGroup group, boolean last) {
        if (!last && !ranks.reduceEachMicroBatch()) {
            return;
        }
        if (last && !complete.add(group)) {
            throw new IllegalStateException(
                    "a backward of " + group.parameters().keySet() + " after the step's last");
        }
        group.settleGradients();
        group.whole()
                .filter(WholeBuffers::hasGradients)
                .ifPresentOrElse(
                        whole -> scatters.add(new Scatter(group, last, whole.reduceGradients())),
                        () -> sumOverCopies(group, last));
        while (scatters.size() > IN_FLIGHT) {
            finishOldest();
        }
    }

    /** Whether all of the step's gradients of a group have been sent. */
    boolean isComplete(FlatGroup group) {
        return complete.contains(group);
    }

    /** Waits until all have arrived. */
    void finish() {
        while (!scatters.isEmpty()) {
            finishOldest();
        }
        while (!sums.isEmpty()) {
            sums.remove().await();
        }
    }

    boolean isBusy() {
        return !scatters.isEmpty() || !sums.isEmpty();
    }

    /** Waits for the end of whatever is on its way, good or bad; gradients are undefined then. */
    void abandon() {
        scatters.forEach(scatter -> end(scatter.pending));
        sums.forEach(GradientTraffic::end);
        scatters.clear();
        sums.clear();
    }

    private static void end(Pending pending) {
        try {
            pending.await();
        } catch (CollectiveException e) {
            // expected of a group that is given up; the caller has an exception of its own to tell of
        }
    }

    private void finishOldest() {
        Scatter oldest = scatters.remove();
        oldest.pending.await();
        sumOverCopies(oldest.group, oldest.last);
    }

    private void sumOverCopies(FlatGroup group, boolean last) {
        if (!last) {
            return;
        }
        group.whole().ifPresent(WholeBuffers::completePart);
        if (ranks.replicas().worldSize() == 1) {
            return;
        }
        sums.add(ranks.replicas().allReduce(group.gradients(), Reduction.SUM));
        while (sums.size() > IN_FLIGHT) {
            sums.remove().await();
        }
    }
}
