// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.chorale.node.cluster.ProcessCluster.Reply;
import org.chorale.node.process.ChildJvm;
import org.chorale.node.process.Listening;
import org.chorale.node.process.Processes;
import org.chorale.node.process.TinyRun;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A cluster as its users have it: nodes with addresses and certificates of their own, and the program's commands. */
@Timeout(600)
final class ClusterOfProcessesTest {
    private static final List<String> SETTINGS = List.of("run.steps = 150");
    private static final String ENDLESS = "run.steps = 1000000";

    @TempDir
    Path folder;

    private ProcessCluster cluster;

    @BeforeEach
    void foundACluster() throws IOException, InterruptedException {
        cluster = ProcessCluster.certified(folder);
        cluster.start(Map.of(1, List.of("--roles", "coordinator,feeder,worker")));
        cluster.start(Map.of(
                2, List.of("--join", cluster.address(1), "--roles", "worker"),
                3, List.of("--join", cluster.address(1), "--roles", "worker,feeder")));
    }

    @AfterEach
    void stop() {
        cluster.close();
    }

    @Test
    void runsSurviveWhoeverSubmittedThemWaitInLineAndUseNodesThatCome() throws IOException, InterruptedException {
        TinyRun first = run("first", "parallel.workers = 3");
        TinyRun second = run("second", "parallel.workers = 4", ENDLESS);

        assertSurvivesItsSubmitter(first);
        assertWaits(second, first);
        assertFinishedOn(cluster.awaitEnd("first"), 1, 2, 3);
        JsonNode lacking = cluster.await("second", status -> !awaited(status).contains("run first"));
        assertThat(awaited(lacking)).isEqualTo("1 more worker(s): 4 asked for, 3 free of 3");
        assertThat(cluster.processes(1)).as("workers of the run that waits").hasSize(1);

        cluster.start(Map.of(4, List.of("--join", cluster.address(2), "--roles", "worker")));
        Processes.await("ten steps", ProcessCluster.LIMIT, () -> second.metricsLines() > 10);
        assertRunsOn(cluster.status("second"), 1, 2, 3, 4);
        assertEveryoneListensAtHome(4);
        assertStops(second);

        assertTwoRunsAtOnceHaveWorkersOfTheirOwn();
        cluster.leave();
        assertThat(first.metrics()).isEqualTo(alone(first).metrics());
    }

    /** It is killed while it looks on. */
    private void assertSurvivesItsSubmitter(TinyRun run) throws InterruptedException {
        try (ChildJvm submitter = ChildJvm.start(folder, cluster.submission(2, run, "--watch", "--json"))) {
            submitter.awaitOutput("\"event\":\"step\"");
            submitter.kill();
        }
        JsonNode status = cluster.status("first");
        assertThat(status.get("phase").asText()).isEqualTo("running");
        assertRunsOn(status, 1, 2, 3);
    }

    private void assertWaits(TinyRun run, TinyRun before) {
        Reply submitted = cluster.done(cluster.submission(3, run, "--json"));
        assertThat(submitted.json().get("phase").asText()).isEqualTo("waiting");
        assertThat(awaited(submitted.json())).endsWith("4 asked for, 0 free of 3; run first holds 3");
        assertThat(cluster.done(cluster.client(2, "status", "second")).out())
                .contains("phase       waiting, waits for 4 more worker(s)", "directory   " + run.dir());
        assertThat(cluster.done(cluster.client(3, "runs", "--json")).jsonLines())
                .extracting(status -> status.get("run").asText())
                .containsExactly("first", "second");
        assertThat(cluster.done(cluster.client(3, "runs")).out().lines())
                .anyMatch(line -> line.matches("first +running .*of 150 +3 +" + before.dir()))
                .anyMatch(line -> line.matches("second +waiting +- +4 +" + run.dir()));
        assertThat(cluster.done(cluster.client(3, "nodes")).out().lines())
                .anyMatch(line -> line.matches(cluster.address(2) + " +\\S+ +worker +1 +0 +-"));
    }

    private void assertStops(TinyRun run) {
        JsonNode told =
                cluster.done(cluster.client(3, "stop", "second", "--json")).json();
        assertThat(told.get("run").asText()).isEqualTo("second");
        JsonNode ended = cluster.awaitEnd("second").get("ended");
        assertThat(ended.get("outcome").asText()).isEqualTo("stopped");
        assertThat(run.checkpoints())
                .endsWith("step-%06d".formatted(ended.get("step").asInt()));
        assertThat(cluster.done(cluster.client(4, "stop", "second")).out()).contains("end         stopped");
    }

    /** One of them loses a worker, of which the other hears nothing. */
    private void assertTwoRunsAtOnceHaveWorkersOfTheirOwn() throws IOException, InterruptedException {
        TinyRun left = run("left", "parallel.workers = 2", "run.steps = 80");
        TinyRun right = run("right", "parallel.workers = 2", "run.steps = 80");
        cluster.done(cluster.submission(1, left));
        cluster.done(cluster.submission(4, right));
        Processes.await("ten steps", ProcessCluster.LIMIT, () -> left.metricsLines() > 10);
        List<String> places = places(cluster.status("left"));
        assertThat(places).hasSize(2).doesNotContainAnyElementsOf(places(cluster.status("right")));
        assertThat(places(cluster.status("right"))).hasSize(2);
        int lost = IntStream.rangeClosed(1, 4)
                .filter(node -> places.contains(cluster.address(node) + "/0"))
                .findFirst()
                .orElseThrow();
        Processes.signal(cluster.node(lost).descendants().get(0).pid(), "KILL");

        assertThat(cluster.awaitEnd("left").get("recoveries").asInt()).isEqualTo(1);
        assertThat(cluster.awaitEnd("right").get("recoveries").asInt()).isZero();
        assertThat(left.metrics()).hasSizeGreaterThan(80).isEqualTo(right.metrics());
        assertThat(left.export()).hasSameBinaryContentAs(right.export());
    }

    private void assertFinishedOn(JsonNode status, int... nodes) {
        assertThat(status.get("ended").get("outcome").asText()).isEqualTo("finished");
        assertThat(status.get("step").get("step").asInt()).isEqualTo(150);
        assertThat(status.get("started").get("holdings")).hasSize(nodes.length);
    }

    private void assertRunsOn(JsonNode status, int... nodes) {
        String[] places = IntStream.of(nodes)
                .mapToObj(node -> cluster.address(node) + "/0")
                .toArray(String[]::new);
        assertThat(places(status)).containsExactlyInAnyOrder(places);
        assertThat(status.get("started").get("holdings"))
                .extracting(holding -> holding.get("worker").asText())
                .containsExactly(places);
    }

    /** While all of them work for one run. */
    private void assertEveryoneListensAtHome(int nodes) throws IOException {
        for (int node = 1; node <= nodes; node++) {
            String home = "127.0.0." + node + ":";
            assertThat(cluster.processes(node)).as("node and worker").hasSize(2);
            for (long process : cluster.processes(node)) {
                assertThat(Listening.ofProcess(process)).isNotEmpty().allMatch(socket -> socket.startsWith(home));
            }
        }
    }

    private TinyRun run(String name, String... lines) {
        List<String> all = new ArrayList<>(SETTINGS);
        all.addAll(List.of(lines));
        return TinyRun.in(folder, name, all.toArray(String[]::new));
    }

    /** What the run of a cluster leaves, made by one process. */
    private TinyRun alone(TinyRun run) throws InterruptedException {
        TinyRun alone = run("alone", "parallel.workers = 3", "parallel.isolation = in-process");
        try (ChildJvm local = ChildJvm.start(
                folder,
                "train",
                alone.conf().toString(),
                "--run-dir",
                alone.dir().toString())) {
            assertThat(local.exitCode()).as(local::output).isZero();
        }
        assertThat(run.export()).hasSameBinaryContentAs(alone.export());
        return alone;
    }

    private static List<String> places(JsonNode status) {
        List<String> places = new ArrayList<>();
        status.get("places").forEach(place -> places.add(place.asText()));
        return places;
    }

    private static String awaited(JsonNode status) {
        return status.get("awaited").asText();
    }
}
