// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.typesafe.config.Config;
import java.util.concurrent.Semaphore;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PreProcessor;

/** Takes as long for each batch as the test wants: it waits for a permit. */
public final class GatedStage implements PreProcessor {
    static final Semaphore PERMITS = new Semaphore(0);

    /** Takes nothing. */
    public GatedStage(Config config) {}

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        PERMITS.acquireUninterruptibly();
        return batch;
    }
}
