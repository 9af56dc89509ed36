// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DataOpeningTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final ExecutorService thread = Executors.newSingleThreadExecutor();

    @TempDir
    private Path folder;

    @AfterEach
    void stop() {
        thread.shutdownNow();
    }

    @Test
    void whatIsOpenedIsTheResult() {
        assertThat(DataOpening.begin(() -> "data", thread).result())
                .succeedsWithin(LIMIT)
                .isEqualTo("data");
    }

    @Test
    void readingForHoursEndsWhenItIsGivenUp() throws Exception {
        Path file = Files.writeString(folder.resolve("rows.jsonl"), "{}\n");
        CountDownLatch reading = new CountDownLatch(1);
        DataOpening<String> opening = DataOpening.begin(() -> readForEver(file, reading), thread);
        assertThat(reading.await(LIMIT.toSeconds(), TimeUnit.SECONDS)).isTrue();

        opening.giveUp();

        assertThat(opening.result())
                .failsWithin(LIMIT)
                .withThrowableThat()
                .havingRootCause()
                .isInstanceOf(ClosedByInterruptException.class);
    }

    @Test
    void theNextOnTheThreadIsNotInterrupted() throws Exception {
        Path file = Files.writeString(folder.resolve("rows.jsonl"), "{}\n");
        CountDownLatch reading = new CountDownLatch(1);
        DataOpening<String> opening = DataOpening.begin(() -> readForEver(file, reading), thread);
        assertThat(reading.await(LIMIT.toSeconds(), TimeUnit.SECONDS)).isTrue();
        opening.giveUp();

        CompletableFuture<Boolean> next =
                CompletableFuture.supplyAsync(() -> Thread.currentThread().isInterrupted(), thread);

        assertThat(next).succeedsWithin(LIMIT).isEqualTo(false);
    }

    @Test
    void whatWasGivenUpBeforeItsTurnNeverBegins() throws Exception {
        CountDownLatch others = new CountDownLatch(1);
        thread.execute(() -> awaitQuietly(others));
        DataOpening<String> opening = DataOpening.begin(
                () -> {
                    throw new AssertionError("it began");
                },
                thread);

        opening.giveUp();
        others.countDown();

        assertThatThrownBy(() -> opening.result().get(LIMIT.toSeconds(), TimeUnit.SECONDS))
                .isInstanceOf(CancellationException.class);
    }

    private static String readForEver(Path file, CountDownLatch reading) {
        try {
            while (true) {
                try (FileChannel channel = FileChannel.open(file)) {
                    channel.read(ByteBuffer.allocate(1));
                    reading.countDown();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
