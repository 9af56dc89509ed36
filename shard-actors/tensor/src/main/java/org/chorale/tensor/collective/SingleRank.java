// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;

/** The group of one rank: its part is the whole, and every operation has ended when its call returns. */
public final class SingleRank implements Collectives {
    private static final Pending ENDED = () -> {};

    private volatile boolean aborted;

    @Override
    public int rank() {
        return 0;
    }

    @Override
    public int worldSize() {
        return 1;
    }

    @Override
    public Collectives subgroup(String name, List<Integer> ranks) {
        Operands.checkSubgroup(name, ranks, 0, 1);
        return new SingleRank();
    }

    @Override
    public Pending allGather(Tensor whole, Tensor part) {
        begin("allGather");
        Operands.ANYWHERE.checkPart("allGather", whole, part, 1);
        return copy(whole, part);
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        begin("reduceScatter");
        Operands.ANYWHERE.checkPart("reduceScatter", whole, part, 1);
        Operands.ANYWHERE.checkReducible("reduceScatter", whole);
        return copy(part, whole);
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        begin("allReduce");
        Operands.ANYWHERE.checkReducible("allReduce", values);
        return ENDED;
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        begin("broadcast");
        Operands.ANYWHERE.checkBuffer("broadcast", values);
        Operands.checkRank("broadcast", root, 1);
        return ENDED;
    }

    @Override
    public Pending send(Tensor values, int to) {
        throw noPeer("send");
    }

    @Override
    public Pending receive(Tensor values, int from) {
        throw noPeer("receive");
    }

    @Override
    public Pending barrier() {
        begin("barrier");
        return ENDED;
    }

    @Override
    public void check() {
        begin("check");
    }

    @Override
    public void abort() {
        aborted = true;
    }

    @Override
    public void close() {
        aborted = true;
    }

    private void begin(String operation) {
        if (aborted) {
            throw new CollectiveException(operation + ": the group of one rank was aborted or closed");
        }
    }

    private static IllegalArgumentException noPeer(String operation) {
        return new IllegalArgumentException(operation + ": a group of one rank has no other");
    }

    private static Pending copy(Tensor to, Tensor from) {
        try (TensorScope scope = new TensorScope()) {
            Operands.copy(to, from);
        }
        return ENDED;
    }
}
