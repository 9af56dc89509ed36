// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.time.Clock;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.chorale.coordinator.queue.RunsActor;
import org.chorale.node.agent.Preflights;
import org.chorale.node.cluster.ClusterNode;
import org.chorale.node.cluster.NodeTerms;
import org.chorale.node.command.ClusterOptions.HostPortConverter;
import org.chorale.node.doctor.Diagnosis;
import org.chorale.node.doctor.Machine;
import org.chorale.node.process.GpuCount;
import org.chorale.node.process.WorkerJvm;
import org.chorale.node.progress.NodesView;
import org.chorale.node.security.NodeSecurity;
import org.chorale.node.system.HostPort;
import org.chorale.node.system.SignalTrap;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale node}: makes this machine a node of a cluster, until a signal ends it. */
@Command(
        name = "node",
        description = "Makes this machine a node of a cluster, until Ctrl-C or SIGTERM.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The first node has no --join; others name one or more that are there already. All share the file system in"
                    + " which runs, models and data are.",
            "",
            "Examples:",
            "  chorale node --bind 10.0.0.7 --certs certs/10.0.0.7",
            "  chorale node --bind 10.0.0.8 --certs certs/10.0.0.8 --join 10.0.0.7",
            "  chorale node --bind 10.0.0.9 --certs certs/10.0.0.9 --join 10.0.0.7 --slots 2"
        })
final class NodeCommand implements Callable<Integer> {
    private static final String AUTO = "auto";

    private @Nullable @ParentCommand ChoraleCommand chorale;

    @Option(
            names = "--bind",
            paramLabel = "HOST[:PORT]",
            defaultValue = "127.0.0.1",
            converter = HostPortConverter.class,
            description = "Where the node listens, and by what others reach it. Default: ${DEFAULT-VALUE}, port 2550.")
    private HostPort bind = new HostPort("127.0.0.1", HostPort.DEFAULT_PORT);

    @Option(
            names = "--join",
            paramLabel = "HOST:PORT",
            split = ",",
            converter = HostPortConverter.class,
            description = "Nodes of the cluster. Without it, the node is the first of a cluster.")
    private List<HostPort> join = List.of();

    @Option(
            names = "--roles",
            paramLabel = "ROLE",
            split = ",",
            defaultValue = "coordinator,worker,feeder",
            description =
                    "What the node does: a coordinator may lead runs, a worker has --slots workers, a feeder makes"
                            + " batches. Default: ${DEFAULT-VALUE}.")
    private List<String> roles = List.of();

    @Option(
            names = "--slots",
            paramLabel = "N",
            defaultValue = AUTO,
            description =
                    "Workers that the node has room for; ${DEFAULT-VALUE}, the default, is one for each GPU that they"
                            + " find, or one on the CPU. The first slots are those with GPUs.")
    private String slots = AUTO;

    @Mixin
    private final SecurityOptions security = new SecurityOptions();

    @Override
    public Integer call() throws InterruptedException {
        Console console = Objects.requireNonNull(chorale, "picocli sets the parent command")
                .console();
        NodeTerms terms = terms(console);
        List<String> gpus = terms.is(NodeTerms.WORKER) ? gpus(console) : List.of();
        try (ClusterNode node =
                ClusterNode.start(terms, gpus, () -> RunsActor.create(Preflights.ofThisProcess(), Clock.systemUTC()))) {
            AtomicInteger exitCode = new AtomicInteger();
            SignalTrap.OF_PROCESS.set(signal -> leave(console, node, exitCode, SignalTrap.EXIT_CODE + signal));
            if (!join.isEmpty()) {
                tell(console, "node %s joins %s".formatted(node.address(), names(join)));
            }
            String what = terms.is(NodeTerms.WORKER) ? NodesView.room(terms.slots(gpus.size()), gpus) : "no workers";
            node.whenMember(() -> tell(
                    console, "node %1$s is up, with %2$s; chorale runs --to %1$s".formatted(node.address(), what)));
            node.awaitEnd();
            if (exitCode.get() != 0) {
                return exitCode.get();
            }
            throw new FaultException(
                    FaultCode.NODE_LOST, "%s is no member of its cluster; the log above says why".formatted(bind));
        }
    }

    private static String names(List<HostPort> nodes) {
        return nodes.stream().map(HostPort::toString).collect(Collectors.joining(", "));
    }

    private static void tell(Console console, String line) {
        console.out().println(line);
        console.out().flush();
    }

    private static void leave(Console console, ClusterNode node, AtomicInteger exitCode, int ofSignal) {
        if (!exitCode.compareAndSet(0, ofSignal)) {
            Runtime.getRuntime().halt(ofSignal);
        }
        console.err().println("leaving the cluster; a second signal ends the node at once");
        node.close();
    }

    private NodeTerms terms(Console console) {
        NodeSecurity checked = security.of(console, bind.host());
        try {
            return new NodeTerms(bind, join, roles, wantedSlots(), checked);
        } catch (IllegalArgumentException e) {
            throw new FaultException(FaultCode.COMMAND_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    private Optional<Integer> wantedSlots() {
        if (slots.equals(AUTO)) {
            return Optional.empty();
        }
        try {
            return Optional.of(Integer.valueOf(slots));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--slots %s: must be auto, or a number of workers".formatted(slots), e);
        }
    }

    /** A machine without NVIDIA's driver need not be asked. */
    private List<String> gpus(Console console) throws InterruptedException {
        Diagnosis machine = Diagnosis.of(Machine.ofProcess());
        List<String> gpus =
                machine.triesGpus() ? GpuCount.by(WorkerJvm.likeThis(1)).names(bind.host()) : List.of();
        if (gpus.isEmpty() && machine.seesGpus()) {
            tell(console, "no GPU is used, though there is NVIDIA's driver; chorale doctor says what there is");
        }
        return gpus;
    }
}
