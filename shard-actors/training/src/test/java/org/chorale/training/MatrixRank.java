// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.GlooCollectives;
import org.chorale.tensor.collective.Rendezvous;
import org.chorale.training.RankMatrix.Case;
import org.chorale.training.RankRun.CrossEntropyTask;

/**
 * The main class of one rank of {@link RankProcesses}. Argument: its rank. A line of its input is a case, as its place in
 * the whole matrix, and an empty folder to meet the other ranks in; the answer is a {@link RankOutcome}.
 */
final class MatrixRank {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private MatrixRank() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        DataOutputStream outcomes =
                new DataOutputStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)));
        System.setOut(System.err);
        BlockingQueue<String> orders = new LinkedBlockingQueue<>();
        Thread lifeline = new Thread(() -> listen(orders), "lifeline");
        lifeline.setDaemon(true);
        lifeline.start();
        while (true) {
            String[] order = orders.take().split(" ", 2);
            Case one = RankMatrix.whole().get(Integer.parseInt(order[0]));
            run(one, Path.of(order[1]), Integer.parseInt(arguments[0])).writeTo(outcomes);
            outcomes.flush();
        }
    }

    private static RankOutcome run(Case one, Path folder, int rank) {
        Rendezvous rendezvous = new Rendezvous(folder, "127.0.0.1", TIMEOUT);
        try (Collectives world = GlooCollectives.join(rendezvous, rank, one.worldSize(), () -> false);
                ModelFolder model = one.model().folder(folder)) {
            return RankOutcome.of(new CrossEntropyTask(model), one.setup(), world);
        }
    }

    /** Where the input ends, whoever gives the orders is gone. */
    private static void listen(BlockingQueue<String> orders) {
        try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                orders.add(line);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            Runtime.getRuntime().halt(1);
        }
    }
}
