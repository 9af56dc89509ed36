// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.typesafe.config.Config;
import java.util.concurrent.CountDownLatch;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PreProcessor;

/** Does not come back until it is let go, as a native call may never do. */
public final class HangingStage implements PreProcessor {
    static final CountDownLatch LET_GO = new CountDownLatch(1);

    /** Takes nothing. */
    public HangingStage(Config config) {}

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        boolean interrupted = false;
        while (LET_GO.getCount() > 0) {
            try {
                LET_GO.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return batch;
    }
}
