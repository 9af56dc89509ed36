// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * What the ranks of a group do together. Every rank calls the same operations in the same order; each call begins one
 * and returns at once, and its {@link Pending} waits for the end. Tensors are contiguous, of one dtype and device, and
 * neither written, read nor freed by the caller before that.
 *
 * <p>A group belongs to one generation of a run. It has one user thread; {@link #abort} alone may be called from any.
 * No wait is without end: after the group's deadline, or once a peer is gone, it throws.
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
     * The sum over all ranks, of which each gets its part. The values are added in the order of the ranks.
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

    /**
     * Makes every pending and later operation of this group and of its subgroups throw, here and, since connections
     * break, at the peers. Called from any thread, any number of times; waits for nobody.
     */
    void abort();

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
         * Waits for the end.
         *
         * @throws CollectiveException where a peer is gone, the group was aborted, or the deadline has passed
         */
        void await();
    }
}
