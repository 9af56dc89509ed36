// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;

/** What ranks train together: the same however many they are. */
public interface RankTask {
    /** The model. */
    ModelFolder folder();

    /** The model's parameters, and what else lies beside them. */
    default ParameterSource source() {
        return folder();
    }

    /** Closed before the shard. */
    Objective objective(ModelShard shard);

    /** At {@link RankRun#LEARNING_RATE}. */
    OptimizerConfig optimizer(double clipNorm);

    /** How many there are. */
    int steps();

    /**
     * A rank's micro-batches of a step, as many as every rank has.
     *
     * @param step from 1
     */
    List<MicroBatch> part(int step, int rank, Setup setup);
}
