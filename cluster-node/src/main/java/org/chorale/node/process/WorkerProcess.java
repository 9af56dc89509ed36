// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A worker's process, from its start to its end. */
final class WorkerProcess {
    /** What a dead process wrote is read until its pipe ends; one that it has started may hold the pipe open. */
    private static final long LAST_WORDS_MILLIS = 500;

    private static final Logger LOG = LoggerFactory.getLogger(WorkerProcess.class);

    /**
     * How it ended.
     *
     * @param description as the end of "the worker ... was lost: "
     */
    record End(int exitCode, String description) {
        boolean inOrder() {
            return exitCode == WorkerExit.STOPPED.code();
        }
    }

    private final Process process;
    private final WorkerLog log;
    private final CompletableFuture<Void> outputRead = new CompletableFuture<>();

    private WorkerProcess(Process process, WorkerLog log) {
        this.process = process;
        this.log = log;
    }

    /** @throws IOException where the system starts no process */
    static WorkerProcess start(WorkerJvm jvm, WorkerOrder order) throws IOException {
        WorkerProcess started = new WorkerProcess(jvm.builder(order.bindHost()).start(), new WorkerLog(order.place()));
        Thread reader = new Thread(started::readOutput, "output-of-" + order.place());
        reader.setDaemon(true);
        reader.start();
        started.give(order);
        return started;
    }

    /** An order fits into the pipe, so that this does not wait for the process. */
    private void give(WorkerOrder order) {
        try {
            order.writeTo(process.getOutputStream());
        } catch (IOException e) { // it has ended already, and its end will be heard
            LOG.debug("process {} did not take its order", process.pid(), e);
        }
    }

    private void readOutput() {
        try {
            OutputLines.read(process.getInputStream(), log);
        } catch (IOException e) { // Java closes the pipe of a process that was ended by force
            LOG.debug("output of process {}", process.pid(), e);
        } finally {
            outputRead.complete(null);
        }
    }

    long pid() {
        return process.pid();
    }

    /** Completes once the process has ended, with what it said last. */
    CompletionStage<End> onEnd() {
        return process.onExit()
                .thenCompose(
                        ended -> outputRead.copy().completeOnTimeout(null, LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS))
                .thenApply(read -> end());
    }

    private End end() {
        String how = "its process %d %s".formatted(process.pid(), WorkerExit.meaning(process.exitValue()));
        String lastWords = log.lastWords();
        return new End(process.exitValue(), lastWords.isEmpty() ? how : how + "\nit said last: " + lastWords);
    }

    /** Ends the input that the process lives by. It halts within a second, unless it is stopped or stuck in the kernel. */
    void cutLifeline() {
        try (OutputStream lifeline = process.getOutputStream()) {
            LOG.debug("ending process {}", process.pid());
        } catch (IOException e) {
            LOG.debug("process {} has closed its input", process.pid(), e);
        }
    }

    /** SIGKILL, which no process can refuse. */
    void kill() {
        process.destroyForcibly();
    }
}
