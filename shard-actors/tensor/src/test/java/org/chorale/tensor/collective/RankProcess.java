// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.OtherJvm;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Pending;

/** A rank in a JVM of its own, which can be stopped and killed. */
final class RankProcess implements AutoCloseable {
    /** More than fits into the buffers of a connection. */
    static final long LARGE_BYTES = 256 << 20;

    /** What the rank does once it has joined. */
    enum Deed {
        NOTHING,
        SEND_TO_RANK_0,
        /** Says {@code ready} once it waits for the bytes. */
        RECEIVE_FROM_RANK_0
    }

    private final Process process;

    private RankProcess(Process process) {
        this.process = process;
    }

    /** Starts a rank, and returns before it has joined. */
    static RankProcess start(Rendezvous rendezvous, int rank, int worldSize, Deed deed) {
        ProcessBuilder command = OtherJvm.of(
                RankProcess.class,
                List.of(),
                rendezvous.folder().toString(),
                rendezvous.timeout().toString(),
                String.valueOf(rank),
                String.valueOf(worldSize),
                deed.name());
        try {
            return new RankProcess(command.start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until the process says {@code joined}, when it is about to do its deed, or what comes after it. */
    void awaitLine(String expected) throws IOException {
        String line = process.inputReader().readLine();
        if (!expected.equals(line)) {
            throw new IllegalStateException("the process said " + line);
        }
    }

    /** Halts it where it stands. */
    void stop() throws IOException, InterruptedException {
        List<String> command = List.of("kill", "-STOP", String.valueOf(process.pid()));
        int exit = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (exit != 0) {
            throw new IllegalStateException(command + " ended with " + exit);
        }
    }

    /** Kills it at once: a program that sends the signal would take its time to start. */
    void kill() {
        process.destroyForcibly();
    }

    @Override
    public void close() throws InterruptedException {
        kill();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            throw new IllegalStateException("process " + process.pid() + " does not end");
        }
    }

    public static void main(String[] args) throws IOException {
        Rendezvous rendezvous = new Rendezvous(Path.of(args[0]), "127.0.0.1", Duration.parse(args[1]));
        try (Collectives group = GlooCollectives.join(
                        rendezvous, Integer.parseInt(args[2]), Integer.parseInt(args[3]), () -> false);
                TensorScope scope = new TensorScope()) {
            Tensor bytes = HostTensors.zeros(ScalarType.Byte, LARGE_BYTES).fill_(Scalars.of(1));
            System.out.println("joined");
            switch (Deed.valueOf(args[4])) {
                case NOTHING -> {}
                case SEND_TO_RANK_0 -> group.send(bytes, 0).await();
                case RECEIVE_FROM_RANK_0 -> {
                    Pending pending = group.receive(bytes, 0);
                    System.out.println("ready");
                    pending.await();
                }
            }
            while (System.in.read() >= 0) {} // until the test ends
        }
    }
}
