// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.collective.Collectives;

/** Collectives before each of whose operations something happens. */
final class InterceptedRanks implements Collectives {
    private final Collectives ranks;
    private final Runnable before;

    InterceptedRanks(Collectives ranks, Runnable before) {
        this.ranks = ranks;
        this.before = before;
    }

    @Override
    public int rank() {
        return ranks.rank();
    }

    @Override
    public int worldSize() {
        return ranks.worldSize();
    }

    @Override
    public Collectives subgroup(String name, List<Integer> members) {
        return new InterceptedRanks(ranks.subgroup(name, members), before);
    }

    @Override
    public Pending allGather(Tensor whole, Tensor part) {
        before.run();
        return ranks.allGather(whole, part);
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        before.run();
        return ranks.reduceScatter(part, whole);
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        before.run();
        return ranks.allReduce(values, reduction);
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        before.run();
        return ranks.broadcast(values, root);
    }

    @Override
    public Pending send(Tensor values, int to) {
        before.run();
        return ranks.send(values, to);
    }

    @Override
    public Pending receive(Tensor values, int from) {
        before.run();
        return ranks.receive(values, from);
    }

    @Override
    public Pending barrier() {
        before.run();
        return ranks.barrier();
    }

    @Override
    public void check() {
        ranks.check();
    }

    @Override
    public void abort() {
        ranks.abort();
    }

    @Override
    public void close() {
        ranks.close();
    }
}
