// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import javax.tools.ToolProvider;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.embed.Chorale;
import org.chorale.embed.ClusterRuns;
import org.chorale.embed.RunHandle;
import org.chorale.node.cluster.ProcessCluster.Reply;
import org.chorale.node.process.ChildJvm;
import org.chorale.node.process.TinyRun;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Nodes that were installed differently, and an application that is a client of theirs. The first has users' classes. */
@Timeout(300)
final class ClassesOnNodesTest {
    private static final String ROLES = "coordinator,feeder,worker";
    private static final String GLOVES = """
            package shop;

            import com.typesafe.config.Config;
            import org.chorale.training.pipeline.Context;
            import org.chorale.training.pipeline.NamedTensors;
            import org.chorale.training.pipeline.PreProcessor;

            public final class Gloves implements PreProcessor {
                private final Config config;

                public Gloves(Config config) {
                    this.config = config;
                }

                @Override
                public String contract() {
                    return "batch:2:i64 -> batch:2:i64";
                }

                @Override
                public NamedTensors process(NamedTensors batch, Context context) {
                    return batch;
                }

                @Override
                public Config config() {
                    return config;
                }
            }
            """;

    @TempDir
    static Path folder;

    private static ProcessCluster cluster;
    private static Path classes;

    @BeforeAll
    static void foundACluster() throws IOException, InterruptedException {
        classes = compiled(folder.resolve("classes"));
        cluster = ProcessCluster.plain(folder);
        beginWithClasses(1, "--roles", ROLES, "--slots", "2");
        cluster.awaitTaken(1);
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    /** As the launcher starts it for a user who has set this variable. */
    private static void beginWithClasses(int node, String... options) {
        cluster.begin(node, Map.of("CHORALE_CLASS_PATH", classes.toString()), List.of(classes), options);
    }

    private static Path compiled(Path folder) throws IOException {
        Path source = Files.writeString(
                Files.createDirectories(folder.resolve("shop")).resolve("Gloves.java"), GLOVES);
        int exitCode = ToolProvider.getSystemJavaCompiler()
                .run(null, null, null, "-proc:none", "-d", folder.toString(), source.toString());
        assertThat(exitCode).as("javac").isZero();
        return folder;
    }

    @Test
    void aRunTrainsWhereItsClassesAreAndANodeWithoutThemIsNamedWithThem() throws InterruptedException {
        TinyRun patient = gloved("patient", 3);
        assertThat(cluster.done(cluster.submission(1, patient)).out()).contains("1 more worker(s): 3 asked for");
        String missing = "pipeline.preprocess[0]: shop.Gloves is not on the class path";

        cluster.start(Map.of(2, List.of("--join", cluster.address(1), "--roles", "worker")));
        JsonNode waiting = cluster.await("patient", status -> awaited(status).contains("cannot"));
        assertThat(awaited(waiting))
                .contains("node %s cannot work for the run: %s".formatted(cluster.address(2), missing));
        Reply refused = cluster.run(cluster.submission(2, gloved("refused", 1)));
        assertThat(refused.exitCode()).isEqualTo(2);
        assertThat(refused.err()).startsWith("error [NODE_UNFIT] node %s: %s".formatted(cluster.address(2), missing));

        beginWithClasses(3, "--join", cluster.address(1), "--roles", "worker");
        JsonNode ended = cluster.awaitEnd("patient");
        assertThat(ended.get("ended").get("outcome").asText())
                .as(ended.toString())
                .isEqualTo("finished");
        assertThat(ended.get("started").get("holdings"))
                .extracting(holding -> holding.get("worker").asText())
                .containsExactly(cluster.address(1) + "/0", cluster.address(1) + "/1", cluster.address(3) + "/0");
    }

    private static TinyRun gloved(String name, int workers) {
        return TinyRun.in(
                folder, name, "parallel.workers = " + workers, "pipeline.preprocess = [{ type = shop.Gloves }]");
    }

    private static String awaited(JsonNode status) {
        return status.get("awaited").asText();
    }

    @Test
    void aNodeWithOtherLibrariesIsRefusedByItsName() throws InterruptedException {
        ChildJvm other = cluster.begin(9, Map.of(), List.of(classes), "--join", cluster.address(1));

        assertThat(other.exitCode()).isEqualTo(2);
        assertThat(other.output())
                .contains("error [NODE_UNFIT] the cluster refuses this node: node " + cluster.address(9))
                .contains("it has a class path of SHA-256 ");
    }

    @Test
    void anApplicationSubmitsFollowsAndStopsRunsAsAClient() throws Exception {
        ActorTestKit shop = ActorTestKit.create("shop", applicationConfig());
        try {
            ClusterRuns runs = Chorale.get(shop.system()).cluster(cluster.address(1));
            RunHandle run = of(runs.submit(embedded("embedded")));
            List<RunEvent> events = of(run.events().runWith(Sink.seq(), shop.system()));
            RunEnded ended = of(run.result());

            assertThat(ended.getOutcome()).as(ended.getMessage()).isEqualTo(RunEnded.Outcome.FINISHED);
            assertThat(events.get(events.size() - 1).getEnded()).isEqualTo(ended);
            assertThat(events.stream()
                            .filter(RunEvent::hasStep)
                            .map(event -> event.getStep().getStep()))
                    .containsSequence(IntStream.rangeClosed(50, 60)
                            .mapToObj(Long::valueOf)
                            .toList());
            assertThat(of(run.status()).getPhase()).isEqualTo(RunStatus.Phase.ENDED);
            assertThat(folder.resolve("embedded/export/model.safetensors")).isNotEmptyFile();

            RunHandle endless = of(runs.submit(embedded("embedded-endless", "run.steps = 1000000")));
            of(endless.events().filter(RunEvent::hasStep).runWith(Sink.head(), shop.system()));
            of(endless.stop("the shop closes"));
            assertThat(of(endless.result()))
                    .returns(RunEnded.Outcome.STOPPED, RunEnded::getOutcome)
                    .returns("the shop closes", RunEnded::getMessage);
            assertThat(of(runs.list())).extracting(RunStatus::getRun).contains("embedded", "embedded-endless");
        } finally {
            shop.shutdownTestKit();
        }
    }

    private static Config embedded(String name, String... lines) {
        TinyRun run = TinyRun.in(folder, name, lines);
        return ConfigFactory.parseString("run.dir = \"%s\"".formatted(run.dir()))
                .withFallback(ConfigFactory.parseFile(run.conf().toFile()));
    }

    /** As an application would have it, with Pekko's defaults for all else. */
    private static Config applicationConfig() {
        return ConfigFactory.parseString("""
                pekko.actor.provider = remote
                pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
                pekko.loglevel = ERROR
                """).withFallback(ConfigFactory.load());
    }

    private static <T> T of(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(ProcessCluster.LIMIT.toSeconds(), TimeUnit.SECONDS);
    }
}
