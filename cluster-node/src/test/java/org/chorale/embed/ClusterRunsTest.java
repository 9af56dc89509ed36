// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RequestRefused;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.WatchedEvent;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An application as a client: over Artery, with a probe in the place of a cluster's gateway. */
@Timeout(60)
final class ClusterRunsTest {
    private static final ActorTestKit CLUSTER = start(SystemConfig.NODE);
    private static final ActorTestKit SHOP = start("shop");

    private TestProbe<ClientRequest> gateway;
    private ClusterRuns cluster;

    @AfterAll
    static void stop() {
        SHOP.shutdownTestKit();
        CLUSTER.shutdownTestKit();
    }

    @BeforeEach
    void connect() {
        gateway = CLUSTER.createTestProbe(ClientRequest.class);
        String address = ActorRefResolver.get(CLUSTER.system()).toSerializationFormat(gateway.getRef());
        cluster = new ClusterRuns(
                SHOP.system(), ActorRefResolver.get(SHOP.system()).resolveActorRef(address), "a:1");
    }

    @Test
    void aRunIsSubmittedAskedForAndStoppedByItsName() throws Exception {
        CompletionStage<RunHandle> submitted = cluster.submit(ConfigFactory.parseString(
                "model { path = m, initialize = random }, data.train.path = d, run.dir = /runs/a"));
        ClientRequest submission = answer(request -> status("a"));
        assertThat(submission.getProtocolVersion()).isEqualTo(1);
        assertThat(submission.getSubmit().getRunConf()).contains("/runs/a");

        RunHandle run = of(submitted);
        assertThat(run.name()).isEqualTo("a");
        CompletionStage<RunStatus> stopped = run.stop("enough");
        assertThat(answer(request -> status("a")).getStop().getReason()).isEqualTo("enough");
        assertThat(of(stopped).getRun()).isEqualTo("a");
    }

    @Test
    void whatTheClusterRefusesFailsWithItsCode() {
        CompletionStage<RunStatus> status = cluster.run("b").status();
        answer(request -> ClientReply.newBuilder()
                .setRefused(RequestRefused.newBuilder()
                        .setFaultCode(FaultCode.COMMAND_INVALID.name())
                        .setMessage("there is no run b"))
                .build());

        assertThatThrownBy(() -> of(status))
                .hasRootCauseInstanceOf(FaultException.class)
                .hasRootCauseMessage("there is no run b");
    }

    @Test
    void eventsComeInOrderOnceEachAndCreditIsGivenAsTheyAreTaken() throws Exception {
        CompletionStage<List<RunEvent>> heard = cluster.run("c").events().runWith(Sink.seq(), SHOP.system());
        ClientRequest watch = gateway.receiveMessage();
        int credit = watch.getWatch().getCredit();
        assertThat(credit).isPositive();
        IntStream.rangeClosed(1, credit).forEach(number -> client(watch).tell(event(number, step(number))));
        client(watch).tell(event(credit, step(credit))); // told twice

        ClientRequest more = gateway.receiveMessage();
        assertThat(more.getWatch().getRun()).isEqualTo("c");
        assertThat(more.getWatch().getCredit()).isBetween(1, credit);
        client(more)
                .tell(event(
                        credit + 1,
                        RunEvent.newBuilder()
                                .setEnded(RunEnded.newBuilder().setOutcome(RunEnded.Outcome.STOPPED))
                                .build()));

        assertThat(of(heard).stream()
                        .filter(RunEvent::hasStep)
                        .map(event -> event.getStep().getStep()))
                .doesNotHaveDuplicates()
                .isSorted();
        assertThat(of(heard).get(of(heard).size() - 1).getEnded().getOutcome()).isEqualTo(RunEnded.Outcome.STOPPED);
    }

    @Test
    void theResultIsTheEndThatTheClusterKnows() throws Exception {
        CompletionStage<RunEnded> result = cluster.run("d").result();
        answer(request -> status("d"));
        answer(request -> ClientReply.newBuilder()
                .setStatus(RunStatus.newBuilder()
                        .setRun("d")
                        .setEnded(RunEnded.newBuilder().setOutcome(RunEnded.Outcome.FINISHED)))
                .build());

        assertThat(of(result).getOutcome()).isEqualTo(RunEnded.Outcome.FINISHED);
    }

    @Test
    void anAddressThatIsNoneIsRefused() {
        assertThatThrownBy(() -> Chorale.get(SHOP.system()).cluster("nowhere:port"))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("nowhere:port: must be HOST or HOST:PORT");
    }

    private static ActorTestKit start(String name) {
        return ActorTestKit.create(name, ConfigFactory.parseString("""
                pekko.actor { provider = remote, allow-java-serialization = off }
                pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
                pekko.loglevel = ERROR
                """).withFallback(ConfigFactory.load()));
    }

    private ClientRequest answer(Function<ClientRequest, ClientReply> reply) {
        ClientRequest request = gateway.receiveMessage();
        client(request).tell(reply.apply(request));
        return request;
    }

    private static ActorRef<ClientReply> client(ClientRequest request) {
        return ActorRefResolver.get(CLUSTER.system()).resolveActorRef(request.getReplyTo());
    }

    private static ClientReply status(String run) {
        return ClientReply.newBuilder()
                .setStatus(RunStatus.newBuilder().setRun(run))
                .build();
    }

    private static ClientReply event(long number, RunEvent event) {
        return ClientReply.newBuilder()
                .setEvent(WatchedEvent.newBuilder().setNumber(number).setEvent(event))
                .build();
    }

    private static RunEvent step(long step) {
        return RunEvent.newBuilder()
                .setStep(StepReport.newBuilder().setStep(step))
                .build();
    }

    private static <T> T of(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(10, TimeUnit.SECONDS);
    }
}
