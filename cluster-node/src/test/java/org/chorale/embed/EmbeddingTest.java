// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.pipeline.Data;
import org.chorale.pipeline.ModelFactory;
import org.chorale.pipeline.Pipeline;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An application with an actor system of its own, in which Chorale trains. */
@Timeout(180)
final class EmbeddingTest {
    private static final Path MODEL = Path.of(System.getProperty("chorale.root"), "deploy/recipes/quickstart/model");
    private static final int TOKENS = 12;
    private static final int STEPS = 3;
    private static final long LIMIT_SECONDS = 120;

    @TempDir
    Path home;

    private final ActorTestKit shop = ActorTestKit.create("shop", applicationConfig("remote"));

    @AfterEach
    void stop() {
        shop.shutdownTestKit();
    }

    @Test
    void aPipelineTrainsInChildProcessesAndLeavesTheApplicationAsItWas() throws Exception {
        List<ProcessHandle> before = children();
        Set<Long> workers = ConcurrentHashMap.newKeySet();

        RunHandle run = Chorale.get(shop.system()).submit(pipeline(home.resolve("two"), 2));
        CompletionStage<List<RunEvent>> events = run.events()
                .map(event -> {
                    if (event.hasStep()) {
                        childrenBut(before).map(ProcessHandle::pid).forEach(workers::add);
                    }
                    return event;
                })
                .runWith(Sink.seq(), shop.system());
        RunEnded ended = of(run.result());

        assertThat(ended.getOutcome()).as(ended.getMessage()).isEqualTo(RunEnded.Outcome.FINISHED);
        assertThat(of(events).stream().filter(RunEvent::hasStep)).hasSize(STEPS);
        assertThat(of(events).get(of(events).size() - 1).getEnded()).isEqualTo(ended);
        assertThat(workers).as("processes, while there were steps").hasSize(2);
        assertThat(of(run.status()))
                .returns("two", RunStatus::getRun)
                .returns(2, RunStatus::getWorkers)
                .returns(RunStatus.Phase.ENDED, RunStatus::getPhase)
                .returns((long) STEPS, status -> status.getStep().getStep());
        assertThat(home.resolve("two/export/model.safetensors")).isNotEmptyFile();
        assertThat(childrenBut(before)).as("left behind").isEmpty();
        assertThat(shop.system().getWhenTerminated().toCompletableFuture()).isNotDone();
    }

    @Test
    void aRunThatIsStoppedGoesOnWhenItIsSubmittedAgain() throws Exception {
        Chorale chorale = Chorale.get(shop.system());
        Pipeline endless = builder(home.resolve("long"))
                .steps(1_000_000)
                .set("parallel.isolation", "in-process")
                .build();
        RunHandle first = chorale.submit(endless);
        of(first.events().filter(RunEvent::hasStep).runWith(Sink.head(), shop.system()));
        of(first.stop("the shop closes"));
        RunEnded stopped = of(first.result());
        assertThat(stopped.getOutcome()).isEqualTo(RunEnded.Outcome.STOPPED);

        RunHandle second = chorale.submit(endless);
        RunEvent step = of(second.events().filter(RunEvent::hasStep).runWith(Sink.head(), shop.system()));
        assertThat(step.getStep().getStep()).isGreaterThan(stopped.getStep());
        of(second.stop("enough"));
        of(second.result());
    }

    @Test
    void anApplicationThatEndsItsSystemStopsItsRunAndTakesItsWorkersAlong() throws Exception {
        List<ProcessHandle> before = children();
        RunHandle run = Chorale.get(shop.system())
                .submit(builder(home.resolve("cut"))
                        .steps(1_000_000)
                        .set("parallel.workers", 2)
                        .build());
        of(run.events().filter(RunEvent::hasStep).runWith(Sink.head(), shop.system()));
        List<ProcessHandle> workers = childrenBut(before).toList();
        assertThat(workers).isNotEmpty();

        shop.system().terminate();

        RunEnded ended = of(run.result());
        assertThat(ended.getOutcome()).as(ended.getMessage()).isEqualTo(RunEnded.Outcome.STOPPED);
        assertThat(home.resolve("cut/checkpoints").resolve("step-%06d".formatted(ended.getStep())))
                .isDirectory();
        for (ProcessHandle worker : workers) {
            of(worker.onExit());
        }
    }

    /** By a system that hardly lets its shutdown take time, and has no transport whose end would give the run some. */
    @Test
    void aRunThatIsCutOffSaysHowItGoesOn() throws Exception {
        ActorTestKit hasty = ActorTestKit.create(
                "hasty",
                ConfigFactory.parseString("pekko.coordinated-shutdown.phases.before-service-unbind.timeout = 1 ms")
                        .withFallback(applicationConfig("local")));
        try {
            RunHandle run = Chorale.get(hasty.system())
                    .submit(builder(home.resolve("cut"))
                            .steps(1_000_000)
                            .set("parallel.isolation", "in-process")
                            .build());
            of(run.events().filter(RunEvent::hasStep).runWith(Sink.head(), hasty.system()));

            hasty.system().terminate();

            assertThatThrownBy(() -> of(run.result()))
                    .hasRootCauseInstanceOf(FaultException.class)
                    .hasMessageContaining("submitted again, it goes on from its last checkpoint");
        } finally {
            hasty.shutdownTestKit();
        }
    }

    @Test
    void aSystemWithoutAnAddressTrainsInItsOwnProcessOrNotAtAll() throws Exception {
        ActorTestKit local = ActorTestKit.create("local", applicationConfig("local"));
        try {
            Chorale chorale = Chorale.get(local.system());
            assertThatThrownBy(() -> chorale.submit(pipeline(home.resolve("no"), 2)))
                    .isInstanceOf(FaultException.class)
                    .hasMessageContainingAll("pekko.actor.provider = local", "parallel.isolation = in-process");
            assertThat(home.resolve("no")).doesNotExist();

            RunHandle run = chorale.submit(builder(home.resolve("here"))
                    .set("parallel.isolation", "in-process")
                    .build());
            assertThat(of(run.result()).getOutcome()).isEqualTo(RunEnded.Outcome.FINISHED);
        } finally {
            local.shutdownTestKit();
        }
    }

    @Test
    void whatOnlyThisProcessHasIsRefusedByNameWhereOthersWouldNeedIt() {
        Pipeline pipeline = builder(home.resolve("lambda"))
                .preprocess((batch, context) -> batch)
                .build();

        assertThatThrownBy(() -> Chorale.get(shop.system()).submit(pipeline))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("exists only in the process that made the pipeline");
        assertThat(home.resolve("lambda")).doesNotExist();
    }

    private static Pipeline pipeline(Path directory, int workers) {
        return builder(directory).set("parallel.workers", workers).build();
    }

    private static Pipeline.Builder builder(Path directory) {
        return Pipeline.builder()
                .model(ModelFactory.fromConfig(MODEL))
                .data(Data.of(rows()).batchSize(8).microBatch(4).sequenceTokens(TOKENS))
                .outputDir(directory)
                .steps(STEPS);
    }

    private static List<long[]> rows() {
        return LongStream.range(0, 32)
                .mapToObj(row -> LongStream.range(row, row + TOKENS).toArray())
                .toList();
    }

    private static List<ProcessHandle> children() {
        return ProcessHandle.current().descendants().toList();
    }

    private static Stream<ProcessHandle> childrenBut(List<ProcessHandle> before) {
        return ProcessHandle.current().descendants().filter(child -> !before.contains(child));
    }

    /** As an application would have it, with Pekko's defaults for all else. */
    private static Config applicationConfig(String provider) {
        return ConfigFactory.parseString("""
                        pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
                        pekko.loglevel = ERROR
                        """)
                .withFallback(ConfigFactory.parseString("pekko.actor.provider = " + provider))
                .withFallback(ConfigFactory.load());
    }

    private static <T> T of(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }
}
