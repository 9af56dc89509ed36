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
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.chorale.node.command.ChoraleCommand;
import org.chorale.node.command.Console;
import org.chorale.node.process.ChildJvm;
import org.chorale.node.process.Processes;
import org.chorale.node.process.TinyRun;

/**
 * Nodes that are processes with addresses of their own, 127.0.0.1 and on, all at one port; and the program's own commands to
 * talk to them.
 */
final class ProcessCluster implements AutoCloseable {
    static final Duration LIMIT = Duration.ofMinutes(2);

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Path folder;
    private final boolean certified;
    private final int port;
    private final Map<Integer, ChildJvm> nodes = new TreeMap<>();

    /** What a command has said. */
    record Reply(int exitCode, String out, String err) {
        JsonNode json() {
            return tree(out);
        }

        /** An object a line. */
        List<JsonNode> jsonLines() {
            return out.lines().map(Reply::tree).toList();
        }

        private static JsonNode tree(String text) {
            try {
                return MAPPER.readTree(text);
            } catch (IOException e) {
                throw new UncheckedIOException(text, e);
            }
        }
    }

    private ProcessCluster(Path folder, boolean certified) throws IOException {
        this.folder = folder;
        this.certified = certified;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
    }

    /** Nobody needs certificates on one machine. */
    static ProcessCluster plain(Path folder) throws IOException {
        return new ProcessCluster(folder, false);
    }

    /** Each node has certificates of its own, which {@code chorale certs} makes; clients have those of the first. */
    static ProcessCluster certified(Path folder) throws IOException {
        return new ProcessCluster(folder, true);
    }

    String address(int node) {
        return "127.0.0.%d:%d".formatted(node, port);
    }

    ChildJvm node(int node) {
        return Objects.requireNonNull(nodes.get(node), () -> "node " + node + " was not started");
    }

    /** Returns once all have been taken in. */
    void start(Map<Integer, List<String>> optionsByNode) throws InterruptedException {
        optionsByNode.forEach((node, options) -> begin(node, Map.of(), List.of(), options.toArray(String[]::new)));
        for (int node : optionsByNode.keySet()) {
            awaitTaken(node);
        }
    }

    /** Starts a node, which may not be taken in. */
    ChildJvm begin(int node, Map<String, String> environment, List<Path> classPath, String... options) {
        List<String> arguments = new ArrayList<>(List.of("node", "--bind", address(node), "--log-level", "INFO"));
        if (certified) {
            String host = "127.0.0." + node;
            assertThat(run("certs", "--out", "certs", "--host", host).exitCode())
                    .isZero();
            arguments.addAll(certificates(host));
        }
        arguments.addAll(List.of(options));
        ChildJvm jvm = ChildJvm.start(folder, environment, classPath, arguments.toArray(String[]::new));
        nodes.put(node, jvm);
        return jvm;
    }

    void awaitTaken(int node) throws InterruptedException {
        node(node).awaitOutput("the cluster has taken " + address(node) + " in");
    }

    private List<String> certificates(String host) {
        return List.of("--certs", folder.resolve("certs").resolve(host).toString());
    }

    /** Processes of a node: its own, and those of its workers. */
    List<Long> processes(int node) {
        return Stream.concat(
                        Stream.of(node(node).pid()),
                        node(node).descendants().stream().map(ProcessHandle::pid))
                .toList();
    }

    /** A client's command line, for a node. */
    String[] client(int node, String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--to", address(node)));
        if (certified) {
            all.addAll(certificates("127.0.0.1"));
        }
        return all.toArray(String[]::new);
    }

    String[] submission(int node, TinyRun run, String... options) {
        List<String> all = new ArrayList<>(
                List.of("submit", run.conf().toString(), "--run-dir", run.dir().toString()));
        all.addAll(List.of(options));
        return client(node, all.toArray(String[]::new));
    }

    /** Has the program carry out a command, in this process. */
    Reply run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int exitCode = ChoraleCommand.run(new Console(stream(out), stream(err), false, 100, folder), arguments);
        return new Reply(exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static PrintStream stream(ByteArrayOutputStream bytes) {
        return new PrintStream(bytes, true, StandardCharsets.UTF_8);
    }

    /** Likewise, of a command that must succeed. */
    Reply done(String... arguments) {
        Reply reply = run(arguments);
        assertThat(reply.exitCode()).as(reply::err).isZero();
        return reply;
    }

    JsonNode status(String run) {
        return done(client(1, "status", run, "--json")).json();
    }

    /** Asks again and again. */
    JsonNode await(String run, Predicate<JsonNode> condition) {
        JsonNode[] status = new JsonNode[1];
        Processes.await(run, LIMIT, () -> {
            status[0] = status(run);
            return condition.test(status[0]);
        });
        return status[0];
    }

    /** Looks on until then: to ask again and again takes a core, which the run needs. */
    JsonNode awaitEnd(String run) {
        Reply watched = run(client(1, "status", run, "--watch"));
        JsonNode status = status(run);
        assertThat(status.has("ended")).as(watched.err()).isTrue();
        return status;
    }

    /** In order, the first last; returns once nothing is left of any. */
    void leave() throws IOException, InterruptedException {
        for (int node : nodes.keySet().stream().sorted((a, b) -> b - a).toList()) {
            List<Long> processes = processes(node);
            node(node).signal("TERM");
            assertThat(node(node).exitCode()).as(node(node)::output).isEqualTo(143);
            assertThat(processes).noneMatch(Processes::isRunning);
        }
    }

    @Override
    public void close() {
        nodes.values().forEach(ChildJvm::close);
    }
}
