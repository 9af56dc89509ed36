// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.profile.Recording;

/**
 * What the ranks of a group do together. Every rank calls the same operations in the same order; each call begins one
 * and returns at once, and its {@link Pending} waits for the end. Tensors are contiguous, of one dtype and device, and
 * neither written, read nor freed by the caller before that.
 *
 * <p>On a GPU an operation begins behind what the caller has enqueued on its current stream, and runs beside what comes
 * after. There {@link Pending#await} lets the caller's current stream wait, and the host goes on: nothing of it fails
 * when a peer is gone. Whoever reads results on the host asks {@link #check} when they are there, and believes them only
 * then. An operation's tensors are of the stream that waits for it, or live until the group closes.
 *
 * <p>A group belongs to one generation of a run. It has one user thread; {@link #abort}, {@link #check} and
 * {@link #flights} may be called from any. No wait is without end: after the group's deadline, or once a peer is gone,
 * it throws; an operation on a GPU that takes longer than the deadline aborts its group.
 */
public interface Collectives extends AutoCloseable {
    /** This process's place in the group, from 0. */
    int rank();

    /** Ranks in the group. */
    int worldSize();

    /**
     * A group of some of this group's ranks, which closes on its own. All of {@code ranks} call this with the same
     * arguments.
     *
     * @param name of the group, not used for another one in this group
     * @param ranks places in this group, this rank's own among them; the new group's ranks follow their order
     */
    Collectives subgroup(String name, List<Integer> ranks);

    /**
     * Every rank's part, one after the other in the order of the ranks.
     *
     * @param whole [worldSize · n], written
     * @param part [n]; may be this rank's place in {@code whole} itself
     */
    Pending allGather(Tensor whole, Tensor part);

    /**
     * The sum over all ranks, of which each gets its part. The order of the sum depends on nothing but the group and the
     * number of values, so that a run repeats bit for bit; on CPUs it is that of the ranks.
     *
     * @param part [n], written
     * @param whole [worldSize · n]; its values are undefined afterwards
     */
    Pending reduceScatter(Tensor part, Tensor whole);

    /** The sum, or the largest, over all ranks, in place on each. */
    Pending allReduce(Tensor values, Reduction reduction);

    /** The values of {@code root}, written on all others. */
    Pending broadcast(Tensor values, int root);

    Pending send(Tensor values, int to);

    /** @param values written */
    Pending receive(Tensor values, int from);

    /** Ends once every rank has come. */
    Pending barrier();

    /** @throws CollectiveException where a peer is gone or the group was aborted; waits for nothing */
    void check();

    /**
     * Makes every pending and later operation of this group and of its subgroups throw, here and, since connections
     * break, at the peers. On a GPU all groups that came from the same join end with it, and kernels that wait for a peer
     * end without a result, which takes up to a second. Called from any thread, any number of times.
     */
    void abort();

    /** The last operations, the oldest first, of groups on GPUs: what is looked at when one has hung. */
    default List<Flight> flights() {
        return List.of();
    }

    /**
     * From now on has a recording say what this group and its present subgroups do on GPUs, until it is stopped. Called
     * by the group's user.
     */
    default void recordIn(Recording recording) {}

    /**
     * Leaves the group and frees what it holds. The peers take it for a loss where something is still pending. Called
     * again, it does nothing.
     */
    @Override
    void close();

    /** How values of several ranks become one. */
    enum Reduction {
        SUM,
        MAX
    }

    /** An operation that has begun. */
    interface Pending {
        /**
         * Waits for the end; on a GPU what the caller enqueues from now on does.
         *
         * @throws CollectiveException where a peer is gone, the group was aborted, or the deadline has passed
         */
        void await();
    }
}
