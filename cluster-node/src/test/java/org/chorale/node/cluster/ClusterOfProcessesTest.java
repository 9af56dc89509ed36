// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.chorale.node.command.ChoraleCommand;
import org.chorale.node.command.Console;
import org.chorale.node.process.ChildJvm;
import org.chorale.node.process.Listening;
import org.chorale.node.process.Processes;
import org.chorale.node.process.TinyRun;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Nodes are processes with addresses of their own, workers are theirs, and clients use the program's commands. */
@Timeout(300)
final class ClusterOfProcessesTest {
    private static final Duration LIMIT = Duration.ofSeconds(90);
    private static final String TWO_WORKERS = "parallel.workers = 2";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    private final List<ChildJvm> nodes = new ArrayList<>();
    private int port;

    @BeforeEach
    void foundACluster() throws IOException, InterruptedException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        start(1, "--roles", "coordinator,feeder,worker");
        start(2, "--join", address(1), "--roles", "worker");
    }

    @AfterEach
    void stop() {
        nodes.forEach(ChildJvm::close);
    }

    @Test
    void runsWaitInLineSurviveTheDeathOfWorkersAndUseNodesThatCome() throws IOException, InterruptedException {
        TinyRun alone = TinyRun.in(folder, "alone", TWO_WORKERS, "parallel.isolation = in-process");
        TinyRun first = TinyRun.in(folder, "first", TWO_WORKERS);
        TinyRun second = TinyRun.in(folder, "second", "parallel.workers = 3");
        submit(first, 2);
        submit(second, 1);

        JsonNode waiting =
                await("second", status -> !status.get("awaited").asText().isEmpty());
        assertThat(waiting.get("phase").asText()).isEqualTo("waiting");
        assertThat(waiting.get("awaited").asText()).contains("worker");
        Processes.await("ten steps", LIMIT, () -> first.metricsLines() > 10);
        Processes.signal(nodes.get(1).descendants().get(0).pid(), "KILL");
        JsonNode done = await("first", status -> status.has("ended"));
        assertThat(done.get("ended").get("outcome").asText()).isEqualTo("finished");
        assertThat(done.get("recoveries").asInt()).isEqualTo(1);
        assertThat(done.get("started").get("holdings")).hasSize(2);

        start(3, "--join", address(2), "--roles", "worker");
        Processes.await("ten steps", LIMIT, () -> second.metricsLines() > 10);
        assertThat(await("second", status -> true).get("places"))
                .extracting(JsonNode::asText)
                .containsExactlyInAnyOrder(address(1) + "/0", address(2) + "/0", address(3) + "/0");
        assertEveryoneListensAtHome();
        assertThat(command("stop", "second", "--to", address(3))).isZero();
        assertThat(await("second", status -> status.has("ended"))
                        .get("ended")
                        .get("outcome")
                        .asText())
                .isEqualTo("stopped");
        assertThat(second.checkpoints()).isNotEmpty();

        leave();
        try (ChildJvm local = ChildJvm.start(folder, trainAlone(alone))) {
            assertThat(local.exitCode()).as(local::output).isZero();
        }
        assertThat(first.metrics()).isEqualTo(alone.metrics());
        assertThat(first.export()).hasSameBinaryContentAs(alone.export());
    }

    private static String[] trainAlone(TinyRun run) {
        return new String[] {
            "train", run.conf().toString(), "--run-dir", run.dir().toString()
        };
    }

    /** Also while two of them work for one run. */
    private void assertEveryoneListensAtHome() throws IOException {
        for (int node = 0; node < nodes.size(); node++) {
            String home = "127.0.0." + (node + 1) + ":";
            List<Long> processes = Stream.concat(
                            Stream.of(nodes.get(node).pid()),
                            nodes.get(node).descendants().stream().map(ProcessHandle::pid))
                    .toList();
            assertThat(processes).as("node and worker").hasSize(2);
            for (long process : processes) {
                assertThat(Listening.ofProcess(process)).isNotEmpty().allMatch(socket -> socket.startsWith(home));
            }
        }
    }

    /** In order, the first last. */
    private void leave() throws IOException, InterruptedException {
        for (int node = nodes.size() - 1; node >= 0; node--) {
            ChildJvm jvm = nodes.get(node);
            List<ProcessHandle> workers = jvm.descendants();
            jvm.signal("TERM");
            assertThat(jvm.exitCode()).as(jvm::output).isEqualTo(143);
            assertThat(workers).noneMatch(worker -> Processes.isRunning(worker.pid()));
        }
    }

    private String address(int node) {
        return "127.0.0.%d:%d".formatted(node, port);
    }

    private void start(int node, String... options) throws InterruptedException {
        List<String> arguments = new ArrayList<>(List.of("node", "--bind", address(node), "--log-level", "INFO"));
        arguments.addAll(List.of(options));
        ChildJvm jvm = ChildJvm.start(folder, arguments.toArray(String[]::new));
        nodes.add(jvm);
        jvm.awaitOutput("the cluster has taken " + address(node) + " in");
    }

    private void submit(TinyRun run, int to) {
        assertThat(command(
                        "submit", run.conf().toString(), "--run-dir", run.dir().toString(), "--to", address(to)))
                .isZero();
    }

    /** Asks again and again. */
    private JsonNode await(String run, Predicate<JsonNode> condition) {
        JsonNode[] status = new JsonNode[1];
        Processes.await(run, LIMIT, () -> {
            status[0] = status(run);
            return condition.test(status[0]);
        });
        return status[0];
    }

    private JsonNode status(String run) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThat(ChoraleCommand.run(console(out), "status", run, "--json", "--to", address(1)))
                .as(() -> out.toString(StandardCharsets.UTF_8))
                .isZero();
        try {
            return MAPPER.readTree(out.toString(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int command(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int exitCode = ChoraleCommand.run(console(out), arguments);
        assertThat(exitCode).as(() -> out.toString(StandardCharsets.UTF_8)).isZero();
        return exitCode;
    }

    private Console console(ByteArrayOutputStream out) {
        PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8);
        return new Console(stream, stream, false, 100, folder);
    }
}
