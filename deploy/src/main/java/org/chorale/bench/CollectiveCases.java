// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.function.LongUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;

/**
 * Every operation of a group against arithmetic on the host. Rank r's value i is (r + 1) · (i mod 97), so that all sums
 * are exact in every dtype.
 *
 * <p>In the shapes: W ranks, n values of each.
 */
final class CollectiveCases {
    static final List<ScalarType> MOVED =
            List.of(ScalarType.Float, ScalarType.BFloat16, ScalarType.Long, ScalarType.Double);
    static final List<ScalarType> REDUCED = List.of(ScalarType.Float, ScalarType.Long, ScalarType.Double);

    private static final int PERIOD = 97;

    private final Collectives group;
    private final Device device;
    private final int rank;
    private final int worldSize;

    CollectiveCases(Collectives group, Device device) {
        this.group = group;
        this.device = device;
        this.rank = group.rank();
        this.worldSize = group.worldSize();
    }

    boolean allGather(ScalarType type, long n) {
        Tensor whole = device.zeros(type, worldSize * n);
        group.allGather(whole, own(type, n)).await();
        return equal(whole, ofAllRanks(type, n));
    }

    boolean allGatherInPlace(ScalarType type, long n) {
        Tensor whole = device.zeros(type, worldSize * n);
        Tensor part = whole.narrow(0, rank * n, n);
        part.copy_(own(type, n));
        group.allGather(whole, part).await();
        return equal(whole, ofAllRanks(type, n));
    }

    boolean reduceScatter(ScalarType type, long n) {
        Tensor whole = own(type, worldSize * n);
        Tensor part = device.zeros(type, n);
        group.reduceScatter(part, whole).await();
        return equal(part, values(type, n, i -> sumOfRanks() * ((rank * n + i) % PERIOD)));
    }

    boolean allReduce(ScalarType type, long n, Reduction reduction) {
        Tensor values = own(type, n);
        group.allReduce(values, reduction).await();
        long factor = reduction == Reduction.SUM ? sumOfRanks() : worldSize;
        return equal(values, values(type, n, i -> factor * (i % PERIOD)));
    }

    boolean broadcast(ScalarType type, long n, int root) {
        Tensor values = own(type, n);
        group.broadcast(values, root).await();
        return equal(values, ofRank(type, n, root));
    }

    /** Round in a ring; rank 0 sends first. */
    boolean sendAndReceive(ScalarType type, long n) {
        Tensor received = device.zeros(type, n);
        int before = (rank + worldSize - 1) % worldSize;
        if (rank > 0) {
            group.receive(received, before).await();
        }
        group.send(own(type, n), (rank + 1) % worldSize).await();
        if (rank == 0) {
            group.receive(received, before).await();
        }
        return equal(received, ofRank(type, n, before));
    }

    /** The same random values, reduced twice, give the same bits. */
    boolean repeats(long n) {
        Tensor values = torch.sin(torch.mul(own(ScalarType.Double, worldSize * n), Scalars.of(0.37 * (rank + 1))));
        Tensor first = device.zeros(ScalarType.Float, n);
        Tensor second = device.zeros(ScalarType.Float, n);
        group.reduceScatter(first, values.to(ScalarType.Float)).await();
        group.reduceScatter(second, values.to(ScalarType.Float)).await();
        return equal(first, second);
    }

    /** What is computed before an operation is in it, and what is computed after its await sees it, again and again. */
    boolean ordersWithCompute(int times) {
        Tensor factor =
                torch.mul(torch.eye(2048, device.zeros(ScalarType.Float, 1).options()), Scalars.of(2));
        Tensor whole = device.zeros(ScalarType.Float, worldSize * 2048L * 2048);
        Tensor part = whole.narrow(0, rank * 2048L * 2048, 2048L * 2048);
        Tensor value = torch.mul(factor, Scalars.of(0.5)); // the unit matrix
        for (int i = 0; i < times; i++) {
            try (TensorScope scope = new TensorScope()) {
                Tensor next = value.matmul(factor).matmul(factor); // four times as much, some 50 us later
                part.copy_(next.view(part.numel()));
                Pending gathering = group.allGather(whole, part);
                gathering.await();
                value.copy_(whole.narrow(0, (rank + 1) % worldSize * part.numel(), part.numel())
                        .view(2048, 2048));
                part.zero_();
            }
        }
        Tensor expected = torch.mul(factor, Scalars.of(0.5 * Math.pow(4, times)));
        return equal(value, expected);
    }

    /** In a group of the same ranks the other way round, and where there are four in two groups beside each other. */
    boolean subgroup() {
        List<Integer> reversed =
                IntStream.range(0, worldSize).mapToObj(i -> worldSize - 1 - i).toList();
        boolean good = sumIn("reversed", reversed);
        if (worldSize == 4) {
            good &= sumIn("halves", rank < 2 ? List.of(0, 1) : List.of(2, 3));
        }
        return good;
    }

    private boolean sumIn(String name, List<Integer> ranks) {
        try (Collectives some = group.subgroup(name, ranks)) {
            Tensor sum = own(ScalarType.Float, 1000);
            some.allReduce(sum, Reduction.SUM).await();
            long factor = ranks.stream().mapToLong(member -> member + 1).sum();
            boolean good = equal(sum, values(ScalarType.Float, 1000, i -> factor * (i % PERIOD)));
            return good && some.rank() == ranks.indexOf(rank);
        }
    }

    private long sumOfRanks() {
        return LongStream.rangeClosed(1, worldSize).sum();
    }

    private Tensor own(ScalarType type, long n) {
        return device.copyOf(ofRank(type, n, rank));
    }

    private static Tensor ofRank(ScalarType type, long n, int rank) {
        return values(type, n, i -> (rank + 1) * (i % PERIOD));
    }

    private Tensor ofAllRanks(ScalarType type, long n) {
        return values(type, worldSize * n, i -> (i / n + 1) * (i % n % PERIOD));
    }

    private static Tensor values(ScalarType type, long n, LongUnaryOperator value) {
        long[] numbers = LongStream.range(0, n).map(value).toArray();
        return HostTensors.ofLongs(numbers, n).to(type);
    }

    private static boolean equal(Tensor found, Tensor expected) {
        return torch.equal(found.cpu(), expected.cpu());
    }
}
