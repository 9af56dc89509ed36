// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.profile.Recording;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.Traffic;
import org.junit.jupiter.api.Test;

/** A group over NCCL, with a library that only answers; what NCCL itself does is for the check program to see. */
final class NcclCollectivesTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final Duration SHORT = Duration.ofMillis(20);

    /** What NCCL calls a remote error. */
    private static final int REMOTE = 6;

    private final ScriptedNccl library = new ScriptedNccl();

    @Test
    void joiningWaitsUntilTheOthersHaveCome() {
        library.states.addAll(Collections.nCopies(5, NcclLibrary.IN_PROGRESS));
        try (Collectives group = join(1, 4)) {
            assertThat(library.states).isEmpty();
            assertThat(group.rank()).isEqualTo(1);
            assertThat(group.worldSize()).isEqualTo(4);
            assertThat(library.calls).containsExactly("begin 0 as 1 of 4 by 7");
        }
        assertThat(library.calls).endsWith("finish on 0", "destroy on 0");
    }

    @Test
    void aRankThatNeverComesIsNotWaitedForForEver() {
        library.states.addAll(Collections.nCopies(1_000_000, NcclLibrary.IN_PROGRESS));
        assertThatThrownBy(() -> NcclCollectives.join(library, id(), Device.CPU, 0, 2, SHORT, () -> false))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("rank 0 of 2 joins")
                .hasMessageContaining("waited 0.02 s");
        assertThat(library.calls).endsWith("abort [0]");
    }

    @Test
    void joiningEndsOnceItIsCancelled() {
        library.states.addAll(Collections.nCopies(1_000_000, NcclLibrary.IN_PROGRESS));
        AtomicInteger asked = new AtomicInteger();
        assertThatThrownBy(() -> NcclCollectives.join(
                        library, id(), Device.CPU, 0, 2, TIMEOUT, () -> asked.incrementAndGet() > 3))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("told to stop");
        assertThat(library.calls).endsWith("abort [0]");
    }

    @Test
    void whatIsNoIdOrNoGpuIsRefused() {
        assertThatThrownBy(() -> NcclCollectives.join(library, new byte[7], Device.CPU, 0, 2, TIMEOUT, () -> false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("join: an id has 128 bytes, not 7");
        assertThatThrownBy(() -> NcclCollectives.join(id(), Device.CPU, 0, 2, TIMEOUT, () -> false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("join: NCCL connects GPUs, not cpu");
    }

    @Test
    void everyOperationReachesNcclAndTheFlightRecord() {
        long before = NativeMemory.liveReferences();
        try (TensorScope scope = new TensorScope();
                Collectives group = join(0, 2)) {
            Tensor whole = HostTensors.zeros(ScalarType.Float, 6);
            Tensor part = HostTensors.zeros(ScalarType.Float, 3);
            List.of(
                            group.allGather(whole, part),
                            group.reduceScatter(part, whole),
                            group.allReduce(whole, Reduction.MAX),
                            group.broadcast(part, 1),
                            group.barrier())
                    .forEach(Pending::await);
            assertThat(library.calls)
                    .endsWith(
                            "allGather on 0",
                            "reduceScatter on 0",
                            "allReduce MAX on 0",
                            "broadcast from 1 on 0",
                            "allReduce MAX on 0");
            assertThat(group.flights())
                    .extracting(Flight::toString)
                    .containsExactly(
                            "allGather 1 of world, 24 bytes of Float",
                            "reduceScatter 2 of world, 24 bytes of Float",
                            "allReduce 3 of world, 24 bytes of Float",
                            "broadcast 4 of world, 12 bytes of Float",
                            "barrier 5 of world, 8 bytes of Long");
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void aRecordingHasWhatAGroupAndItsSubgroupsDo() {
        try (TensorScope scope = new TensorScope();
                Collectives group = join(0, 2);
                Collectives inner = group.subgroup("shard", List.of(0, 1));
                Recording recording = Recording.start(Device.CPU)) {
            Tensor whole = HostTensors.zeros(ScalarType.Float, 6);
            Tensor none = HostTensors.zeros(ScalarType.Float, 0);
            inner.allReduce(whole, Reduction.SUM).await();
            group.recordIn(recording);
            inner.allReduce(whole, Reduction.SUM).await();
            inner.broadcast(none, 0).await(); // NCCL is not asked
            group.broadcast(whole, 0).await();
            List<Span> calls = recording.stop(TIMEOUT).spans();
            group.broadcast(whole, 0).await();

            assertThat(calls)
                    .extracting(Span::traffic)
                    .containsExactly(
                            new Traffic("world.shard", 2, "allReduce", 24, 2),
                            new Traffic("world", 2, "broadcast", 24, 2));
            assertThat(calls).allSatisfy(call -> assertThat(call.endNanos()).isGreaterThan(call.startNanos()));
        }
    }

    @Test
    void aGroupOfOneRankMovesNothing() {
        try (TensorScope scope = new TensorScope();
                Collectives group = join(0, 1);
                Recording recording = Recording.start(Device.CPU)) {
            group.recordIn(recording);
            group.allReduce(HostTensors.zeros(ScalarType.Float, 6), Reduction.SUM)
                    .await();
            assertThat(recording.stop(TIMEOUT).spans()).isEmpty();
        }
    }

    @Test
    void nothingIsAskedOfNcclForTensorsWithoutValues() {
        try (TensorScope scope = new TensorScope();
                Collectives group = join(0, 2)) {
            group.broadcast(HostTensors.zeros(ScalarType.Float, 0), 1).await();
            assertThat(group.flights()).isEmpty();
            assertThat(library.calls).hasSize(1);
        }
    }

    @Test
    void aCallThatFailsBreaksTheGroupAndSaysWhy() {
        try (TensorScope scope = new TensorScope();
                Collectives group = join(0, 2)) {
            Tensor values = HostTensors.zeros(ScalarType.Float, 3);
            library.statuses.add(REMOTE);
            assertThatThrownBy(() -> group.allReduce(values, Reduction.SUM))
                    .isInstanceOf(CollectiveException.class)
                    .hasMessage("allReduce: NCCL failed on rank 0: status 6");
            assertThatThrownBy(group::check).hasMessage("check: NCCL failed on rank 0: status 6");
        }
        assertThat(library.calls).as("never finished after a fault").endsWith("allReduce SUM on 0", "abort [0]");
    }

    @Test
    void aFailureThatNoCallTellsOfIsNoticed() throws InterruptedException {
        try (Collectives group = join(0, 2)) {
            library.states.add(REMOTE);
            assertThat(library.aborted.await(TIMEOUT.toSeconds(), TimeUnit.SECONDS))
                    .isTrue();
            assertThatThrownBy(group::check).hasMessage("check: NCCL failed on rank 0: status 6");
        }
    }

    @Test
    void anAbortEndsAllGroupsOfTheProcessInOneCall() {
        long before = NativeMemory.liveReferences();
        try (TensorScope scope = new TensorScope();
                Collectives world = join(0, 4);
                Collectives pair = world.subgroup("pair", List.of(0, 2))) {
            Pending pending = pair.broadcast(HostTensors.zeros(ScalarType.Float, 3), 1);
            pair.abort();
            world.abort();
            assertThatThrownBy(pending::await).hasMessage("broadcast: the group was aborted on rank 0");
            assertThatThrownBy(world::barrier).isInstanceOf(CollectiveException.class);
        }
        assertThat(library.calls.stream().filter(call -> call.startsWith("abort")))
                .containsExactly("abort [0, 1]");
        assertThat(library.calls).noneMatch(call -> call.startsWith("destroy"));
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void aSubgroupMeetsByAnIdThatItsFirstRankSends() {
        try (Collectives world = join(1, 4);
                Collectives first = world.subgroup("first", List.of(1, 3, 2));
                Collectives later = world.subgroup("later", List.of(3, 1))) {
            assertThat(first.rank()).isZero();
            assertThat(later.rank()).isEqualTo(1);
        }
        assertThat(library.calls)
                .startsWith(
                        "begin 0 as 1 of 4 by 7",
                        "send 7 to 3 on 0",
                        "send 7 to 2 on 0",
                        "begin 1 as 0 of 3 by 7",
                        "receive from 3 on 0",
                        "begin 2 as 1 of 2 by 9");
    }

    @Test
    void aGroupOfGpusTakesNoTensorOfTheHost() {
        try (TensorScope scope = new TensorScope()) {
            assertThatThrownBy(() -> Operands.on(Device.cuda(1))
                            .checkBuffer("broadcast", HostTensors.zeros(ScalarType.Float, 3)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("broadcast: a contiguous tensor on cuda:1 is needed, not Float[3]");
        }
    }

    @Test
    void theTwoWaysOfAGroupBreakWithEachOther() throws InterruptedException {
        SingleRank host = new SingleRank();
        try (Collectives group = new DeviceCollectives(host, join(0, 1))) {
            group.check();
            host.abort();
            assertThat(library.aborted.await(TIMEOUT.toSeconds(), TimeUnit.SECONDS))
                    .isTrue();
            assertThatThrownBy(group::check).isInstanceOf(CollectiveException.class);
        }
        SingleRank other = new SingleRank();
        try (NcclCollectives device = join(0, 1);
                Collectives group = new DeviceCollectives(other, device)) {
            device.abort();
            assertThatThrownBy(other::check).isInstanceOf(CollectiveException.class);
            assertThatThrownBy(group::barrier).isInstanceOf(CollectiveException.class);
        }
    }

    @Test
    void tensorsGoTheWayOfWhereTheyLie() {
        try (TensorScope scope = new TensorScope();
                Collectives group = new DeviceCollectives(new SingleRank(), join(0, 1))) {
            group.allReduce(HostTensors.zeros(ScalarType.Float, 3), Reduction.SUM)
                    .await();
            group.barrier().await();
            assertThat(library.calls).as("nothing of the host's").hasSize(1);
        }
    }

    /** As {@code nccl.h} of 2.28 lays it out. */
    @Test
    void theConfigurationAsksForCommunicatorsThatDoNotBlock() {
        ByteBuffer config = ByteBuffer.wrap(NativeNccl.config(2_29_03)).order(ByteOrder.nativeOrder());
        assertThat(config.getLong()).as("size").isEqualTo(80);
        assertThat(config.getInt()).as("magic").isEqualTo(0xcafebeef);
        assertThat(config.getInt()).as("version").isEqualTo(22_903);
        assertThat(config.getInt()).as("blocking").isZero();
        assertThat(config.getLong(32)).as("netName").isZero();
        assertThat(config.getLong(48)).as("commName").isZero();
        for (int at : new int[] {20, 24, 28, 40, 44, 56, 60, 64, 68, 72, 76}) {
            assertThat(config.getInt(at)).as("at " + at).isEqualTo(Integer.MIN_VALUE);
        }
    }

    @Test
    void aMachineWithoutNcclIsToldSo() {
        assumeThat(Device.gpus()).isZero();
        assertThatThrownBy(NcclCollectives::newUniqueId)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("libnccl.so.2")
                .hasMessageContaining("chorale doctor");
    }

    private NcclCollectives join(int rank, int worldSize) {
        return NcclCollectives.join(library, id(), Device.CPU, rank, worldSize, TIMEOUT, () -> false);
    }

    private static byte[] id() {
        return ScriptedNccl.OWN_ID.clone();
    }
}
