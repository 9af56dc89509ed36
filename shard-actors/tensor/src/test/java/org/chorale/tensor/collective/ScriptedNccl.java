// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.nio.LongBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.DeviceStream;

/** A library that does nothing but write down what it is asked, and answers as it was told. */
final class ScriptedNccl implements NcclLibrary {
    static final byte[] OWN_ID = filled(7);
    static final byte[] SENT_ID = filled(9);

    /** Every call and every id, in order. */
    final List<String> calls = new CopyOnWriteArrayList<>();

    /** Answers of the calls that begin something; success where there is none. */
    final Deque<Integer> statuses = new ArrayDeque<>();

    /** Answers to how that goes; success where there is none. */
    final Deque<Integer> states = new ConcurrentLinkedDeque<>();

    final CountDownLatch aborted = new CountDownLatch(1);
    private int communicators;

    static byte[] filled(int value) {
        byte[] bytes = new byte[NcclCollectives.ID_BYTES];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    @Override
    public int version() {
        return 2_28_09;
    }

    @Override
    public byte[] newUniqueId() {
        return OWN_ID.clone();
    }

    @Override
    public Communicator begin(byte[] id, DeviceStream stream, int rank, int worldSize) {
        int number = communicators++;
        calls.add("begin %d as %d of %d by %d".formatted(number, rank, worldSize, id[0]));
        return new Scripted(number);
    }

    @Override
    public void abort(Collection<? extends Communicator> aborting) {
        List<Integer> numbers = new ArrayList<>();
        aborting.forEach(communicator -> numbers.add(((Scripted) communicator).number));
        calls.add("abort " + numbers);
        aborted.countDown();
    }

    @Override
    public String text(int status) {
        return "status " + status;
    }

    private final class Scripted implements Communicator {
        private final int number;

        Scripted(int number) {
            this.number = number;
        }

        private int answer(String call) {
            calls.add(call + " on " + number);
            Integer status = statuses.poll();
            return status == null ? SUCCESS : status;
        }

        @Override
        public int state() {
            Integer state = states.poll();
            return state == null ? SUCCESS : state;
        }

        @Override
        public int allGather(Tensor whole, Tensor part) {
            return answer("allGather");
        }

        @Override
        public int reduceScatter(Tensor part, Tensor whole) {
            return answer("reduceScatter");
        }

        @Override
        public int allReduce(Tensor values, Reduction reduction) {
            return answer("allReduce " + reduction);
        }

        @Override
        public int broadcast(Tensor values, int root) {
            return answer("broadcast from " + root);
        }

        @Override
        public int send(Tensor values, int to) {
            LongBuffer sent = values.createBuffer();
            return answer("send %d to %d".formatted(sent.get(0), to));
        }

        @Override
        public int receive(Tensor values, int from) {
            LongBuffer received = values.createBuffer();
            for (byte value : SENT_ID) {
                received.put(value);
            }
            return answer("receive from " + from);
        }

        @Override
        public int finish() {
            return answer("finish");
        }

        @Override
        public int destroy() {
            return answer("destroy");
        }
    }
}
