// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PreProcessor;

/** Takes its time on one worker of those in this process, whichever comes first. */
public final class SlowWorker implements PreProcessor {
    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(30);
    private static final AtomicReference<Thread> SLOW = new AtomicReference<>();
    private static final AtomicInteger PAUSES = new AtomicInteger();

    public SlowWorker(Config config) {}

    /** How often it has taken its time. */
    static int pauses() {
        return PAUSES.get();
    }

    @Override
    public String contract() {
        return "batch:2:i64 -> batch:2:i64";
    }

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        SLOW.compareAndSet(null, Thread.currentThread());
        if (SLOW.get() == Thread.currentThread()) {
            LockSupport.parkNanos(PAUSE_NANOS);
            PAUSES.incrementAndGet();
        }
        return batch;
    }

    @Override
    public Config config() {
        return ConfigFactory.empty();
    }
}
