// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
final class SystemEndTest {
    private static final Duration SOON = Duration.ofMillis(100);
    private static final Duration NEVER = Duration.ofDays(1);

    @Test
    void aSystemThatEndsHasEnded() throws InterruptedException {
        ActorSystem<Void> system = system(Behaviors.empty());
        SystemEnd end = SystemEnd.of(system, NEVER);
        end.bring(NEVER);
        end.await();
        assertThat(system.getWhenTerminated().toCompletableFuture()).isDone();
    }

    @Test
    void aSystemPartOfWhichNeverEndsIsNotWaitedFor() throws InterruptedException {
        CountDownLatch released = new CountDownLatch(1);
        ActorSystem<Void> system = stuckUntil(released);
        SystemEnd end = SystemEnd.of(system, SOON);
        system.terminate(); // as the cluster does it
        end.await();
        assertThat(system.getWhenTerminated().toCompletableFuture()).isNotDone();
        released.countDown();
    }

    @Test
    void whoEndsASystemIsNotHeldBeyondTheLimit() throws InterruptedException {
        CountDownLatch released = new CountDownLatch(1);
        ActorSystem<Void> system = stuckUntil(released);
        SystemEnd end = SystemEnd.of(system, NEVER);
        end.bring(SOON);
        end.await();
        assertThat(system.getWhenTerminated().toCompletableFuture()).isNotDone();
        released.countDown();
    }

    private static ActorSystem<Void> system(Behavior<Void> guardian) {
        return ActorSystem.create(guardian, "end", SystemConfig.complete(SystemConfig.local()));
    }

    /** A system that runs, whose guardian does not stop, as a transport that does not. */
    private static ActorSystem<Void> stuckUntil(CountDownLatch released) throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        ActorSystem<Void> system = system(Behaviors.setup(context -> {
            begun.countDown();
            return Behaviors.receive(Void.class)
                    .onSignal(PostStop.class, signal -> {
                        assertThat(released.await(20, TimeUnit.SECONDS)).isTrue();
                        return Behaviors.same();
                    })
                    .build();
        }));
        // one that is ended before its guardian has begun hears of no end, and there is nothing to be stuck in
        assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
        return system;
    }
}
