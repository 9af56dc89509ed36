// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the others see of a rank that is gone, stops, hangs or never comes: an exception, soon. */
final class LostRankTest {
    /** Far below the deadline of the groups here, 30 s; losses are noticed within some 10 ms on an idle machine. */
    private static final Duration SOON = Duration.ofSeconds(5);

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void anAbortEndsTheWaitsOfAllRanks(int worldSize) {
        CountDownLatch waiting = new CountDownLatch(worldSize - 1);
        RankThreads.run(worldSize, group -> {
            if (group.rank() == worldSize - 1) {
                Pending pending = group.receive(HostTensors.zeros(ScalarType.Float, 4), 0);
                CompletableFuture<Void> aborted = CompletableFuture.runAsync(() -> awaitLatch(waiting))
                        .thenRun(group::abort); // from another thread
                assertLost(pending, "aborted on rank " + group.rank());
                aborted.get(10, TimeUnit.SECONDS);
            } else {
                Pending pending = group.allReduce(HostTensors.zeros(ScalarType.Double, 8), Reduction.SUM);
                waiting.countDown();
                assertLost(pending, "allReduce", "rank");
            }
            assertThatThrownBy(group::barrier).isInstanceOf(CollectiveException.class);
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void theDeathOfAProcessEndsTheWaitsOfAllRanks(int worldSize) throws Exception {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", Duration.ofSeconds(30));
        CountDownLatch waiting = new CountDownLatch(worldSize - 1);
        try (RankProcess last = RankProcess.start(rendezvous, worldSize - 1, worldSize, RankProcess.Deed.NOTHING)) {
            CompletableFuture<Void> killed = CompletableFuture.runAsync(() -> {
                try {
                    last.awaitLine("joined");
                    awaitLatch(waiting);
                    last.kill();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            RankThreads.runEach(worldSize - 1, rank -> {
                try (Collectives group = GlooCollectives.join(rendezvous, rank, worldSize, () -> false)) {
                    Pending pending = group.allReduce(HostTensors.zeros(ScalarType.Double, 8), Reduction.SUM);
                    waiting.countDown();
                    assertLost(pending, "lost its connection to rank");
                }
            });
            killed.get(10, TimeUnit.SECONDS);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = RankProcess.Deed.class,
            names = {"SEND_TO_RANK_0", "RECEIVE_FROM_RANK_0"})
    void deathInTheMiddleOfATransferEndsIt(RankProcess.Deed deed) throws Exception {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", Duration.ofSeconds(30));
        try (RankProcess peer = RankProcess.start(rendezvous, 1, 2, deed);
                Collectives group = GlooCollectives.join(rendezvous, 0, 2, () -> false);
                TensorScope scope = new TensorScope()) {
            Tensor bytes = HostTensors.zeros(ScalarType.Byte, RankProcess.LARGE_BYTES);
            Pending pending;
            if (deed == RankProcess.Deed.SEND_TO_RANK_0) {
                pending = group.receive(bytes, 1);
                BytePointer first = new BytePointer(bytes.data_ptr());
                while (first.get() == 0) {
                    Thread.onSpinWait();
                }
                peer.kill(); // with some of the bytes on their way
                assertThat(first.get(RankProcess.LARGE_BYTES - 1)).isZero();
            } else {
                peer.awaitLine("joined");
                peer.awaitLine("ready");
                peer.stop(); // so that no more arrives than fits into the system's buffers
                pending = group.send(bytes, 1);
                peer.kill();
            }
            assertLost(pending, "rank 1", "lost its connection to rank 1");
        }
    }

    @Test
    void aRankThatHangsIsGivenUpAfterTheDeadline() {
        CountDownLatch done = new CountDownLatch(1);
        RankThreads.run(2, Duration.ofMillis(300), group -> {
            if (group.rank() == 0) {
                long start = System.nanoTime();
                assertLost(group.barrier(), "barrier from rank 1: rank 0 waited 0.3 s for it");
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofMillis(300));
                done.countDown();
            } else {
                awaitLatch(done);
                assertThat(catchThrowable(() -> group.barrier().await()))
                        .isInstanceOf(CollectiveException.class)
                        .hasMessageContaining("lost its connection to rank 0");
            }
        });
    }

    @Test
    void aRankThatLeavesDisturbsOnlyThoseWhoStillNeedIt() {
        CountDownLatch left = new CountDownLatch(1);
        RankThreads.run(3, group -> {
            group.barrier().await();
            if (group.rank() == 2) {
                group.close();
                left.countDown();
                return;
            }
            awaitLatch(left);
            try (TensorScope scope = new TensorScope()) {
                Tensor value = HostTensors.zeros(ScalarType.Long, 1);
                for (int i = 0; i < 100; i++) {
                    (group.rank() == 0 ? group.send(value, 1) : group.receive(value, 0)).await();
                }
            }
            assertThat(catchThrowable(() -> group.barrier().await())).isInstanceOf(CollectiveException.class);
        });
    }

    @Test
    void aLossInAGroupEndsItsSubgroupsToo() {
        CountDownLatch waiting = new CountDownLatch(2);
        RankThreads.run(3, group -> {
            if (group.rank() == 2) {
                awaitLatch(waiting);
                group.abort();
                return;
            }
            try (Collectives pair = group.subgroup("pair", List.of(0, 1))) {
                Pending pending = group.rank() == 0
                        ? pair.receive(HostTensors.zeros(ScalarType.Float, 1), 1) // which never comes
                        : pair.receive(HostTensors.zeros(ScalarType.Float, 1), 0);
                waiting.countDown();
                assertLost(pending, "receive from rank");
            }
        });
    }

    @Test
    void whoeverDoesNotJoinIsNamed() {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", Duration.ofMillis(200));
        assertThatThrownBy(() -> GlooCollectives.join(rendezvous, 1, 4, () -> false))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContainingAll("rank 1 of 4", folder.toString(), "for ranks 0, 2, 3 to join", "0.2 s");
        assertThatThrownBy(() -> GlooCollectives.join(rendezvous, 1, 4, () -> false))
                .as("a folder serves one generation")
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("has joined already");
    }

    @Test
    void joiningEndsWhenToldToOrWhenTheFolderIsGone() throws Exception {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", Duration.ofSeconds(30));
        assertThatThrownBy(() -> GlooCollectives.join(rendezvous, 0, 2, () -> true))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("for rank 1 to join, and was told to stop");
        Rendezvous gone =
                new Rendezvous(Files.createDirectory(folder.resolve("g")), "127.0.0.1", Duration.ofSeconds(30));
        assertThatThrownBy(() -> GlooCollectives.join(gone, 0, 2, () -> {
                    RankThreads.delete(gone.folder());
                    return false;
                }))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("the folder is gone");
    }

    @Test
    void aFileThatIsNoListOfAddressesIsNamed() throws Exception {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", Duration.ofSeconds(30));
        Files.writeString(folder.resolve("world-1"), "zz\n\nend\n");
        assertThatThrownBy(() -> GlooCollectives.join(rendezvous, 0, 2, () -> false))
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("world-1");
    }

    @Test
    void anAddressThatNobodyOrEverybodyHasIsRefused() {
        for (String host : List.of("0.0.0.0", "::", "192.0.2.1", "no.such.host.invalid")) {
            Rendezvous rendezvous = new Rendezvous(folder, host, Duration.ofSeconds(30));
            assertThatThrownBy(() -> GlooCollectives.join(rendezvous, 0, 2, () -> false))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(host);
        }
    }

    @Test
    void whatIsNeverAwaitedIsFreedWithTheGroup() {
        long before = NativeMemory.liveReferences();
        RankThreads.run(2, group -> {
            if (group.rank() == 0) {
                try (TensorScope scope = new TensorScope()) {
                    group.reduceScatter(
                            HostTensors.zeros(ScalarType.Float, 100), HostTensors.zeros(ScalarType.Float, 200));
                    group.receive(HostTensors.zeros(ScalarType.Float, 100), 1);
                }
                Pending late = group.barrier();
                group.close();
                assertThatThrownBy(late::await)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("barrier");
                assertThatThrownBy(group::barrier).isInstanceOf(IllegalStateException.class);
                group.abort();
            } else {
                // rank 0 may be gone before the receive begins
                assertThatThrownBy(() -> group.receive(HostTensors.zeros(ScalarType.Float, 1), 0)
                                .await())
                        .isInstanceOf(CollectiveException.class)
                        .hasMessageContaining("lost its connection to rank 0");
            }
        });
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    private static void assertLost(Pending pending, String... words) {
        long start = System.nanoTime();
        assertThatThrownBy(pending::await)
                .isInstanceOf(CollectiveException.class)
                .hasMessageContainingAll(words);
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SOON);
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
