// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.Collection;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.DeviceStream;

/** The calls of NCCL that a group needs. None of them waits for a peer, but {@link #abort}, which takes half a second. */
interface NcclLibrary {
    /** As {@code ncclResult_t} has them. */
    int SUCCESS = 0;

    /** Likewise: what was asked goes on, and {@link Communicator#state} tells of its end. */
    int IN_PROGRESS = 7;

    /** Of the library that runs: 22,809 for 2.28.9. */
    int version();

    /** {@value NcclCollectives#ID_BYTES} bytes, by which the ranks of one group find each other. */
    byte[] newUniqueId();

    /**
     * Begins to join a group, on the thread's current device.
     *
     * @param stream on which its operations run
     */
    Communicator begin(byte[] id, DeviceStream stream, int rank, int worldSize);

    /** Ends all operations of the communicators and frees these; they are not used again. */
    void abort(Collection<? extends Communicator> communicators);

    /** What a status means. */
    String text(int status);

    /** A rank's end of a group. Each call returns a status, and enqueues on the communicator's stream. */
    interface Communicator {
        /** That of what was asked last, or of the group where it has failed meanwhile. */
        int state();

        int allGather(Tensor whole, Tensor part);

        int reduceScatter(Tensor part, Tensor whole);

        int allReduce(Tensor values, Reduction reduction);

        int broadcast(Tensor values, int root);

        int send(Tensor values, int to);

        int receive(Tensor values, int from);

        /** Lets all operations come to their end. */
        int finish();

        /** Frees it once it has finished. */
        int destroy();
    }
}
