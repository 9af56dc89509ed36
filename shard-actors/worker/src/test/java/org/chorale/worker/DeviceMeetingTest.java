// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.GroupKey;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.GlooCollectives;
import org.chorale.tensor.collective.Rendezvous;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ranks as threads, whose hosts form a real group and whose devices are played. */
final class DeviceMeetingTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration IMPATIENCE = Duration.ofMillis(150);

    @TempDir
    Path folder;

    private final PlayedLink link = new PlayedLink();
    private final List<Collectives> hosts = new ArrayList<>();
    private final List<DeviceMeeting> meetings = new ArrayList<>();

    @AfterEach
    void close() {
        hosts.forEach(Collectives::close);
    }

    @Test
    void allRanksJoinByTheKeyOfRankZeroOfWhichNothingIsLeftInTheirMemory() {
        meet(3, this::passOn);
        assertThat(joinAll(rank -> Device.cuda(rank), PATIENCE)).containsExactlyElementsOf(hosts);
        assertThat(link.used()).containsExactly(PlayedLink.key(1), PlayedLink.key(1), PlayedLink.key(1));
        assertThat(link.memory())
                .hasSize(3)
                .allSatisfy(bytes -> assertThat(bytes).containsOnly(0));
    }

    @Test
    void ranksOnCpusNeedNoKey() {
        meet(2, key -> {
            throw new AssertionError("a key was made");
        });
        assertThat(joinAll(rank -> Device.CPU, PATIENCE)).containsExactlyElementsOf(hosts);
    }

    @Test
    void ranksOnUnlikeDevicesAreRefusedByAllOfThemInTheSameWords() {
        meet(3, this::passOn);
        for (CompletableFuture<Collectives> joining :
                begin(rank -> rank == 1 ? Device.CPU : Device.cuda(rank), PATIENCE)) {
            assertThatThrownBy(joining::join)
                    .isInstanceOf(CompletionException.class)
                    .cause()
                    .isInstanceOf(FaultException.class)
                    .hasMessageContainingAll(
                            "parallel.device = auto: found GPUs for rank 0, 2 and none for rank 1", "chorale doctor");
        }
        assertThat(link.used()).isEmpty();
    }

    @Test
    void aRankWhoseKeyDoesNotComeSaysWhatItWaitedFor() {
        meet(2, key -> {}); // nobody passes it on
        assertThatThrownBy(() -> begin(Device::cuda, IMPATIENCE).get(1).join())
                .cause()
                .isInstanceOf(CollectiveException.class)
                .hasMessage("rank 1 has waited 0 s for the key of its group, which rank 0 makes and the coordinator"
                        + " passes on");
    }

    @Test
    void aRankThatIsGivenUpWaitsForNoKey() {
        meet(2, key -> {});
        CompletableFuture<Collectives> joining =
                begin(Device::cuda, PATIENCE, () -> true).get(1);
        assertThatThrownBy(joining::join)
                .cause()
                .isInstanceOf(CollectiveException.class)
                .hasMessageContaining("given up");
    }

    private void passOn(GroupKey key) {
        meetings.stream().skip(1).forEach(meeting -> meeting.bring(key));
    }

    /** Ranks whose hosts have come, none of whose devices has joined. */
    private void meet(int worldSize, Consumer<GroupKey> others) {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", PATIENCE);
        List<CompletableFuture<Collectives>> joining = IntStream.range(0, worldSize)
                .mapToObj(rank -> CompletableFuture.supplyAsync(
                        () -> GlooCollectives.join(rendezvous, rank, worldSize, DeviceMeetingTest::never),
                        DeviceMeetingTest::start))
                .toList();
        joining.forEach(rank -> hosts.add(rank.join()));
        hosts.forEach(rank -> meetings.add(
                new DeviceMeeting(device -> device.isCuda() ? Optional.of(link) : Optional.empty(), others)));
    }

    private List<Collectives> joinAll(Function<Integer, Device> devices, Duration patience) {
        return begin(devices, patience).stream().map(CompletableFuture::join).toList();
    }

    private List<CompletableFuture<Collectives>> begin(Function<Integer, Device> devices, Duration patience) {
        return begin(devices, patience, DeviceMeetingTest::never);
    }

    private List<CompletableFuture<Collectives>> begin(
            Function<Integer, Device> devices, Duration patience, BooleanSupplier cancelled) {
        return IntStream.range(0, hosts.size())
                .mapToObj(rank -> CompletableFuture.supplyAsync(
                        () -> meetings.get(rank).join(hosts.get(rank), devices.apply(rank), patience, cancelled),
                        DeviceMeetingTest::start))
                .toList();
    }

    /** Each rank needs a thread of its own. */
    private static void start(Runnable rank) {
        new Thread(rank).start();
    }

    private static boolean never() {
        return false;
    }
}
