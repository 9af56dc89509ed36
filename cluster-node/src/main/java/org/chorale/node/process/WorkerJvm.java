// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.chorale.tensor.NativeFlags;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * How the JVM of a worker is started.
 *
 * @param flags of the JVM
 * @param classPath as {@code -cp} takes it
 * @param mainClass that reads a {@link WorkerOrder} from its standard input
 * @param threads of a matrix product, unless the user's environment says it
 * @param hostId what NCCL takes for the name of the machine; empty for its own
 */
public record WorkerJvm(List<String> flags, String classPath, String mainClass, int threads, Optional<String> hostId) {
    /**
     * Signals that reach whole process groups: Ctrl-C in a terminal, a batch system's end of a job. A worker leaves them to
     * its node, which ends the run in order; for that they must be off before Java begins.
     */
    private static final String DEAF_TO_SIGNALS = "trap '' INT TERM HUP; exec \"$0\" \"$@\"";

    /** What a worker needs not have of its node's JVM: debuggers and agents, which are for one process. */
    private static final Pattern FOR_ONE_PROCESS = Pattern.compile(
            "-(agentlib|agentpath|javaagent|Xdebug|Xrunjdwp|Dchorale\\.terminal|Dcom\\.sun\\.management).*");

    private static final Pattern FLAG = Pattern.compile("-[XD].*");

    private static final Map<String, String> ENVIRONMENT = Map.of(
            // Threads that wait by spinning take the cores from those that they wait for.
            "OMP_WAIT_POLICY", "PASSIVE",
            // One thread computes, so that two arenas are enough; glibc's default grows resident memory.
            "MALLOC_ARENA_MAX", "2",
            // A slot's GPU is the one that nvidia-smi gives its number.
            "CUDA_DEVICE_ORDER", "PCI_BUS_ID",
            // Multicast over NVLink does not survive that a group is given up.
            "NCCL_NVLS_ENABLE", "0");

    private static final String THREADS = "OMP_NUM_THREADS";

    /** NCCL refuses two ranks of one machine on one GPU. Ranks of two machines talk over the network. */
    private static final String NCCL_MACHINE = "NCCL_HOSTID";

    /** The only network interface that NCCL uses; what travels there is not encrypted. */
    private static final String NCCL_INTERFACE = "NCCL_SOCKET_IFNAME";

    /** Set by the launcher where the threads in the environment are its choice, for one process, and not the user's. */
    private static final String THREADS_BY_LAUNCHER = "chorale.threads-by-launcher";

    private static final Logger LOG = LoggerFactory.getLogger(WorkerJvm.class);

    private static final String LOG_CONFIGURATION =
            "-Dlogback.configurationFile=org/chorale/node/process/worker-log.xml";

    /** As {@link #LOG_CONFIGURATION} has it, where an application has no binding of its own for the JDK's log. */
    private static final String JDK_LOG = "-Djava.util.logging.SimpleFormatter.format=%4$s %3$s - %5$s%6$s%n";

    public WorkerJvm {
        flags = List.copyOf(flags);
    }

    /** On the machine on which it is. */
    public WorkerJvm(List<String> flags, String classPath, String mainClass, int threads) {
        this(flags, classPath, mainClass, threads, Optional.empty());
    }

    /** The same, but to NCCL on a machine of its own, so that it can share a GPU with other workers. */
    WorkerJvm sharingGpu(String place) {
        return new WorkerJvm(flags, classPath, mainClass, threads, Optional.of(place));
    }

    /**
     * Like this JVM: the same Java, class path and flags, with what libtorch needs besides.
     *
     * @param workers that share this machine
     */
    public static WorkerJvm likeThis(int workers) {
        List<String> flags = new ArrayList<>(NativeFlags.missing(new Properties()));
        flags.addAll(List.of("-Dai.djl.offline=true", "-DRUST_FLAVOR=cpu", LOG_CONFIGURATION, JDK_LOG, logLevel()));
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(FLAG.asMatchPredicate())
                .filter(FOR_ONE_PROCESS.asMatchPredicate().negate())
                .forEach(flags::add);
        return new WorkerJvm(
                flags, System.getProperty("java.class.path"), WorkerMain.class.getName(), threadsOfEach(workers));
    }

    /** What this process would not log, a worker need not say. */
    private static String logLevel() {
        Logger root = LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
        Level level = Stream.of(Level.values()) // the most severe first
                .filter(root::isEnabledForLevel)
                .reduce(Level.ERROR, (severe, chatty) -> chatty);
        return "-Dchorale.log-level=" + level;
    }

    /** One core is left to the JVMs and the data where one worker would take all. */
    private static int threadsOfEach(int workers) {
        int cores = Runtime.getRuntime().availableProcessors();
        return Math.max(1, Math.min(cores - 1, cores / workers));
    }

    /**
     * Not yet started; its output goes into one pipe.
     *
     * @param bindHost the only address on which the process listens
     */
    ProcessBuilder builder(String bindHost) {
        List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", DEAF_TO_SIGNALS));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(flags);
        command.addAll(List.of("-cp", classPath, mainClass));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        ENVIRONMENT.forEach(builder.environment()::putIfAbsent);
        interfaceOf(bindHost)
                .ifPresent(
                        name -> builder.environment().putIfAbsent(NCCL_INTERFACE, "=" + name)); // = for the whole name
        hostId.ifPresent(id -> builder.environment().put(NCCL_MACHINE, id));
        if (Boolean.getBoolean(THREADS_BY_LAUNCHER)) {
            builder.environment().put(THREADS, Integer.toString(threads));
        } else {
            builder.environment().putIfAbsent(THREADS, Integer.toString(threads));
        }
        return builder;
    }

    /** None where the address is no longer this machine's: then whoever binds to it will say so. */
    private static Optional<String> interfaceOf(String host) {
        try {
            return Optional.ofNullable(NetworkInterface.getByInetAddress(InetAddress.getByName(host)))
                    .map(NetworkInterface::getName);
        } catch (IOException e) {
            LOG.debug("the interface of {} is not known", host, e);
            return Optional.empty();
        }
    }
}
