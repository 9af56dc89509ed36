// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import org.chorale.coordinator.directory.MetricsSettings;
import org.chorale.coordinator.plan.CheckpointSettings;
import org.chorale.coordinator.plan.EvaluationSettings;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.DataConfig;
import org.chorale.proto.config.ConfigReader;
import org.chorale.training.ModelConfig;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.ScheduleConfig;

/** Every record that reads keys of a run, in one place, so that all their problems are found before the run begins. */
final class RunConfiguration {
    private RunConfiguration() {}

    static void check(ConfigReader reader) {
        reader.read("run", RunSettings.class);
        reader.read("checkpoint", CheckpointSettings.class);
        reader.read("evaluation", EvaluationSettings.class);
        reader.read("metrics", MetricsSettings.class);
        reader.read("parallel", ParallelSettings.class);
        reader.read("data", DataConfig.class);
        reader.read("model", ModelConfig.class);
        reader.read("optimizer", OptimizerConfig.class);
        reader.read("optimizer", ScheduleConfig.class);
        reader.read("", PrecisionConfig.class);
    }
}
