// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.function.Consumer;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.gloo.TransportContext;
import org.bytedeco.pytorch.gloo.UnboundBuffer;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;

/**
 * A tensor's bytes on their way to or from one peer. It holds the tensor until it is freed, which its owner does when it
 * has ended: after that, Gloo writes nothing to the memory any more, whatever the peer does.
 */
final class Transfer {
    private final Mesh mesh;
    private final String what;
    private final Tensor values;
    private final UnboundBuffer buffer;

    /** @param what for messages, such as "allGather from rank 2" */
    Transfer(Mesh mesh, String what, TransportContext context, Tensor values) {
        this.mesh = mesh;
        this.what = what;
        try (TensorScope scope = new TensorScope()) {
            this.buffer = NativeMemory.retain(context.createUnboundBuffer(values.data_ptr(), values.nbytes()));
        }
        this.values = NativeMemory.retain(values);
    }

    /** Hands the buffer to a connection. */
    Transfer post(Consumer<UnboundBuffer> action) {
        try {
            action.accept(buffer);
            return this;
        } catch (RuntimeException e) {
            throw mesh.failure(what, e);
        }
    }

    /** Waits until all bytes have been sent. */
    void awaitSent(long deadlineNanos) {
        await(deadlineNanos, buffer::waitSend);
    }

    /** Waits until all bytes are there. */
    void awaitReceived(long deadlineNanos) {
        await(deadlineNanos, buffer::waitRecv);
    }

    private void await(long deadlineNanos, Wait wait) {
        if (buffer.isNull()) {
            throw new IllegalStateException(what + ": the group was closed before this ended");
        }
        try (TensorScope scope = new TensorScope()) {
            long nanos = deadlineNanos - System.nanoTime();
            if (!wait.upTo(
                    Mesh.milliseconds(Duration.ofNanos(Math.max(nanos, 0)).plusMillis(1)))) {
                throw mesh.failure(what, null); // woken because the connections are broken
            }
        } catch (CollectiveException e) {
            throw e;
        } catch (RuntimeException e) {
            throw System.nanoTime() - deadlineNanos < 0 ? mesh.failure(what, e) : mesh.late(what, e);
        } finally {
            mesh.end(this);
        }
    }

    /** Ends a wait, now or when it begins. The connections are broken, so nothing is on its way any more. */
    void wake() {
        buffer.abortWaitRecv();
        buffer.abortWaitSend();
    }

    void free() {
        NativeMemory.release(buffer);
        NativeMemory.release(values);
    }

    /** One of the two native waits, false where it was woken. */
    private interface Wait {
        boolean upTo(Milliseconds timeout);
    }
}
