// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.errorprone.annotations.MustBeClosed;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.process.Listening;
import org.chorale.node.security.NodeSecurity;
import org.chorale.node.system.HostPort;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.RunsCommand.NodeJoined;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.DescribeRun;
import org.chorale.proto.wire.ListRuns;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StopRunRequest;
import org.chorale.proto.wire.WatchedEvent;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two nodes with addresses of their own, of which the second cannot lead, and real clients. */
@Timeout(120)
final class ClusterNodeTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private static final List<String> GPUS = List.of("NVIDIA H200", "NVIDIA H200", "NVIDIA L4");

    private static final PlayedLeader LEADER = new PlayedLeader();

    private static ClusterNode first;
    private static ClusterNode second;

    @BeforeAll
    static void start() {
        HostPort bind = new HostPort("127.0.0.1", 0);
        first = start(bind, List.of(), Optional.empty(), GPUS, NodeTerms.COORDINATOR, NodeTerms.WORKER);
        second = start(new HostPort("127.0.0.2", 0), List.of(first.address()), NodeTerms.WORKER);
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!LEADER.nodes()
                .containsAll(
                        List.of(first.address().toString(), second.address().toString()))) {
            assertThat(System.nanoTime()).as("both have joined").isLessThan(deadline);
            LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
        }
    }

    private static ClusterNode start(HostPort bind, List<HostPort> join, String... roles) {
        return start(bind, join, Optional.of(2), List.of(), roles);
    }

    private static ClusterNode start(
            HostPort bind, List<HostPort> join, Optional<Integer> slots, List<String> gpus, String... roles) {
        NodeSecurity security = NodeSecurity.of(Optional.empty(), false, bind.host());
        NodeTerms terms = new NodeTerms(bind, join, List.of(roles), slots, security);
        return ClusterNode.start(terms, gpus, LEADER::create);
    }

    @AfterAll
    static void stop() {
        second.close();
        first.close();
    }

    @Test
    void aNodeOffersItsGpusAndASlotForEachUnlessItWasToldHowMany() {
        NodeJoined withGpus = LEADER.offer(first.address().toString());
        assertThat(withGpus.gpus()).isEqualTo(GPUS);
        assertThat(withGpus.slots()).isEqualTo(3);
        NodeJoined without = LEADER.offer(second.address().toString());
        assertThat(without.gpus()).isEmpty();
        assertThat(without.slots()).isEqualTo(2);
    }

    @Test
    void everyNodePassesClientsOnToWhoeverLeads() throws InterruptedException {
        for (ClusterNode node : List.of(first, second)) {
            try (ClusterClient client = client(node.address())) {
                ClientReply reply = client.ask(ClientRequest.newBuilder().setList(ListRuns.getDefaultInstance()));

                assertThat(reply.getList().getRuns(0).getDirectory()).isEqualTo("/shared/runs/a");
            }
        }
    }

    @Test
    void aRefusalIsTheUsersFault() {
        try (ClusterClient client = client(first.address())) {
            assertThatThrownBy(() -> client.ask(ClientRequest.newBuilder()
                            .setDescribe(DescribeRun.newBuilder().setRun("b"))))
                    .isInstanceOfSatisfying(
                            FaultException.class,
                            refused -> assertThat(refused.fault().code()).isEqualTo(FaultCode.COMMAND_INVALID))
                    .hasMessage("there is no run b");
        }
    }

    @Test
    void everyEventOfAWatchedRunComesOnceAndInOrder() throws InterruptedException {
        List<Long> numbers = new ArrayList<>();
        try (ClusterClient client = client(second.address())) {
            Optional<RunEvent> last = Optional.empty();
            while (last.filter(RunEvent::hasEnded).isEmpty()) {
                Optional<WatchedEvent> event = client.watch("a", LIMIT);
                numbers.add(event.orElseThrow().getNumber());
                last = event.map(WatchedEvent::getEvent);
            }
        }
        assertThat(numbers).hasSize(PlayedLeader.STEPS + 1).isSorted().doesNotHaveDuplicates();
    }

    @Test
    void nobodyListensAtAWrongPort() throws IOException {
        int free;
        try (ServerSocket socket = new ServerSocket(0)) {
            free = socket.getLocalPort();
        }
        HostPort nobody = new HostPort("127.0.0.1", free);
        assertThatThrownBy(() -> {
                    try (ClusterClient client = client(nobody)) {
                        client.ask(ClientRequest.newBuilder().setList(ListRuns.getDefaultInstance()));
                    }
                })
                .isInstanceOfSatisfying(
                        FaultException.class,
                        unreachable -> assertThat(unreachable.fault().code()).isEqualTo(FaultCode.NODE_UNREACHABLE))
                .hasMessageContaining("no node answers at 127.0.0.1:" + free);
    }

    @Test
    void aPortThatIsTakenIsNamed() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            HostPort taken = new HostPort("127.0.0.1", socket.getLocalPort());

            assertThatThrownBy(() -> start(taken, List.of(), NodeTerms.WORKER))
                    .isInstanceOfSatisfying(
                            FaultException.class,
                            unavailable ->
                                    assertThat(unavailable.fault().code()).isEqualTo(FaultCode.ADDRESS_UNAVAILABLE))
                    .hasMessageContaining("--bind " + taken);
        }
    }

    @Test
    void aNodeThatTheClusterRefusesEndsWithTheReason() {
        HostPort bind = new HostPort("127.0.0.3", 0);
        List<HostPort> join = List.of(second.address());
        try (ClusterNode third =
                start(bind, join, Optional.of(PlayedLeader.UNWELCOME_SLOTS), List.of(), NodeTerms.WORKER)) {
            assertThatThrownBy(third::awaitEnd).hasMessage("the cluster refuses this node: too many slots");
        }
    }

    @Test
    void bytesThatAreNoMessageDisturbNobody() throws IOException, InterruptedException {
        for (String noise : List.of("GET / HTTP/1.1\r\n\r\n", "PEKK\1\377\377\377\377", "PEKK\2" + "\0".repeat(999))) {
            try (Socket socket =
                            new Socket(first.address().host(), first.address().port());
                    OutputStream out = socket.getOutputStream()) {
                out.write(noise.getBytes(StandardCharsets.ISO_8859_1));
            }
        }
        everyNodePassesClientsOnToWhoeverLeads();
    }

    @Test
    void aNodeListensAtItsOwnAddressAlone() throws IOException {
        assertThat(Listening.ofProcess(ProcessHandle.current().pid()))
                .contains(first.address().toString(), second.address().toString())
                .allMatch(socket -> socket.startsWith("127.0.0."));
    }

    /** Nothing was said about it, so that the deadline is all there is. */
    @Test
    void aQuestionThatNobodyAnswersEndsAtItsDeadline() {
        try (ClusterClient client = client(first.address())) {
            assertThatThrownBy(() -> client.ask(ClientRequest.newBuilder()
                            .setStop(StopRunRequest.newBuilder().setRun("a"))))
                    .hasMessageContaining("nothing was answered within 10 s");
        }
    }

    @MustBeClosed
    private static ClusterClient client(HostPort node) {
        return ClusterClient.connect(node, host -> ConfigFactory.empty());
    }
}
