// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.directory.MetricsSettings;
import org.chorale.coordinator.plan.CheckpointSettings;
import org.chorale.coordinator.plan.EvaluationSettings;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.DataConfig;
import org.chorale.proto.config.ConfigReader;
import org.chorale.training.AdapterConfig;
import org.chorale.training.Fp8Config;
import org.chorale.training.ModelConfig;
import org.chorale.training.PipelineAssembly;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.RecomputePolicy;
import org.chorale.training.contract.ContractException;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.ScheduleConfig;
import org.chorale.training.pipeline.DataShape;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.worker.DeviceConfig;
import org.chorale.worker.DeviceSetup;
import org.chorale.worker.ProfileConfig;

/** Every record that reads keys of a run, in one place, so that all their problems are found before the run begins. */
final class RunConfiguration {
    private RunConfiguration() {}

    /** @param local components that only this process has */
    static void check(ConfigReader reader, LocalComponents local) {
        checkKeys(reader);
        reader.read("data", DataConfig.class)
                .ifPresent(data -> data.classProblems().forEach(reader::problem));
        Optional<PipelineConfig> pipeline = reader.read(PipelineConfig.KEY, PipelineConfig.class);
        Optional<CrossEntropySettings> loss = reader.read("loss", CrossEntropySettings.class);
        if (pipeline.filter(PipelineConfig::isUsed).isPresent() && loss.isPresent()) {
            reader.read(DataShape.KEY, DataShape.class)
                    .ifPresent(data -> checkPipeline(reader, pipeline.get(), loss.get(), data, local));
        }
    }

    /** All but users' classes, which need not be on the class path of whoever only submits a run. */
    static void checkKeys(ConfigReader reader) {
        reader.read("run", RunSettings.class);
        reader.read("run", ProfileConfig.class);
        reader.read("checkpoint", CheckpointSettings.class);
        reader.read("metrics", MetricsSettings.class);
        Optional<ParallelSettings> parallel = reader.read("parallel", ParallelSettings.class);
        Optional<ModelConfig> model = checkModel(reader);
        checkPreference(reader, model);
        Optional<OptimizerConfig> optimizer = reader.read("optimizer", OptimizerConfig.class);
        reader.read("optimizer", ScheduleConfig.class);
        Optional<DeviceConfig> device = reader.read("parallel", DeviceConfig.class);
        Optional<PrecisionConfig> precision = reader.read("", PrecisionConfig.class);
        Optional<PipelineConfig> pipeline = reader.read(PipelineConfig.KEY, PipelineConfig.class);
        new TrainingFit(model, precision, optimizer, pipeline, device, parallel)
                .problems()
                .forEach(reader::problem);
        precision
                .flatMap(given -> device.map(of -> new DeviceSetup(of, given)))
                .ifPresent(setup -> setup.problems().forEach(reader::problem));
    }

    /** A user's own model takes the place of a model folder; then nothing may speak of one. */
    private static Optional<ModelConfig> checkModel(ConfigReader reader) {
        Optional<PipelineConfig> pipeline = reader.read(PipelineConfig.KEY, PipelineConfig.class);
        reader.read(DataShape.KEY, DataShape.class)
                .flatMap(data -> pipeline.flatMap(data::problem))
                .ifPresent(reader::problem);
        if (pipeline.filter(PipelineConfig::hasOwnModel).isPresent()) {
            reader.read("model", NoModelFolder.class);
            reader.read("model", ModelConfig.Freezes.class);
            reader.read("fp8", NoFp8.class);
            return Optional.empty();
        }
        return reader.read("model", ModelConfig.class);
    }

    private static void checkPreference(ConfigReader reader, Optional<ModelConfig> model) {
        Optional<DataConfig> data = reader.read("data", DataConfig.class);
        Optional<CrossEntropySettings> crossEntropy = reader.read("loss", CrossEntropySettings.class);
        Optional<PipelineConfig> pipeline = reader.read(PipelineConfig.KEY, PipelineConfig.class);
        Optional<EvaluationSettings> evaluation = reader.read("evaluation", EvaluationSettings.class);
        reader.read(PreferenceConfig.KEY, PreferenceConfig.class)
                .map(found -> new PreferenceFit(found, data, crossEntropy, pipeline, model, evaluation))
                .ifPresent(fit -> fit.problems().forEach(reader::problem));
    }

    private static void checkPipeline(
            ConfigReader reader,
            PipelineConfig pipeline,
            CrossEntropySettings loss,
            DataShape data,
            LocalComponents local) {
        try {
            PipelineAssembly unused = PipelineAssembly.of(pipeline, loss, data, local);
        } catch (PipelineException | ContractException e) {
            String.valueOf(e.getMessage()).lines().forEach(reader::problem);
        }
    }

    /** The keys of a model folder, whose place is taken; public for the reader that makes it. */
    public record NoModelFolder(
            Optional<Path> path, AdapterConfig adapter, ModelConfig.Initialize initialize, RecomputePolicy recompute) {
        private static final String WHY = ": is not read where pipeline.model.type is set; ";

        public NoModelFolder {
            List<String> problems = new ArrayList<>();
            path.ifPresent(given -> problems.add("model.path = " + given + WHY + "give one of them"));
            if (adapter.type() != AdapterConfig.Type.NONE) {
                problems.add("model.adapter.type = lora" + WHY + "an adapter needs the linears of a model folder");
            }
            if (initialize != ModelConfig.Initialize.PRETRAINED) {
                problems.add("model.initialize = random" + WHY + "the model's own class draws its first values");
            }
            if (recompute != RecomputePolicy.NONE) {
                problems.add("model.recompute = %s%sa model of your own keeps what it likes: it must be none"
                        .formatted(recompute.word(), WHY));
            }
            if (!problems.isEmpty()) {
                throw new IllegalArgumentException(String.join("\n", problems));
            }
        }
    }

    /** The section {@code fp8} where it has nothing to act on; public for the reader that makes it. */
    public record NoFp8(Fp8Config.Scaling scaling) {
        public NoFp8 {
            if (scaling != Fp8Config.Scaling.NONE) {
                throw new IllegalArgumentException(
                        "fp8.scaling" + NoModelFolder.WHY + "FP8 needs the linears of a model folder: set it to none");
            }
        }
    }
}
