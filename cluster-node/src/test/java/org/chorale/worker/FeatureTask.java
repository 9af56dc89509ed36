// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.layer.Recompute;
import org.chorale.node.config.RunFile;
import org.chorale.proto.config.ConfigReader;
import org.chorale.training.MicroBatch;
import org.chorale.training.Objective;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.RankRun;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.RankTask;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;

/** A run, from its keys to its steps, but for the actors that carry them out and the files that the data comes from. */
final class FeatureTask implements RankTask, AutoCloseable {
    private static final int STEPS = 3;

    /** Until the loss scale fits. */
    private static final int STEPS_OF_FP16 = 9;

    private static final double CLIP_NORM = 0.3;

    private final String runConf;
    private final RunModel model;
    private final FeatureBatches batches;

    private FeatureTask(String runConf) {
        this.runConf = runConf;
        this.model = RunModel.open(runConf, LocalComponents.none());
        this.batches = new FeatureBatches(
                ConfigReader.read(runConf, PreferenceConfig.KEY, PreferenceConfig.class),
                ConfigFactory.parseString(runConf).getBoolean("data.packing"));
    }

    /** @throws org.chorale.proto.fault.FaultException as the program tells the user */
    static String resolve(String keys) {
        String whatEveryRunNeeds = "data.train.path = none.jsonl\noptimizer.schedule = constant\n";
        return RunFile.resolve(ConfigFactory.parseString(whatEveryRunNeeds + keys), Path.of(""), LocalComponents.none())
                .text();
    }

    /** As the workers do it. */
    static RankRun run(List<Feature> row) {
        return run(row, false);
    }

    /** On one worker from one micro-batch a step, nothing of which is computed again. */
    static RankRun alone(List<Feature> row) {
        return run(row, true);
    }

    private static RankRun run(List<Feature> row, boolean alone) {
        try (FeatureTask task = new FeatureTask(resolve(Features.keys(row)))) {
            return RankRun.of(task, alone ? Setup.alone(task.precision(), CLIP_NORM) : task.setup());
        }
    }

    private Precision precision() {
        return ConfigReader.read(runConf, "", PrecisionConfig.class).precision();
    }

    private Setup setup() {
        ParallelSettings parallel = ConfigReader.read(runConf, "parallel", ParallelSettings.class);
        Mode mode = Mode.valueOf(parallel.mode().name());
        String recompute = ConfigReader.read(runConf, "model", RunModel.RecomputeKey.class)
                .recompute()
                .name();
        return new Setup(
                parallel.workers(),
                mode,
                mode == Mode.FULL_SHARD || mode == Mode.HYBRID,
                2,
                Recompute.valueOf(recompute),
                precision(),
                CLIP_NORM);
    }

    @Override
    public ModelFolder folder() {
        return model.folder().orElseThrow();
    }

    @Override
    public ParameterSource source() {
        return model.source();
    }

    @Override
    public Objective objective(ModelShard shard) {
        return model.objective(shard);
    }

    @Override
    public OptimizerConfig optimizer(double clipNorm) {
        return ConfigReader.read(runConf, "optimizer", OptimizerConfig.class);
    }

    @Override
    public int steps() {
        return precision() == Precision.FP16 ? STEPS_OF_FP16 : STEPS;
    }

    @Override
    public List<MicroBatch> part(int step, int rank, Setup setup) {
        return batches.part(step, rank, setup.worldSize(), setup.microBatches());
    }

    @Override
    public void close() {
        model.close();
    }
}
