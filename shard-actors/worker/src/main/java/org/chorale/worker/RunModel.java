// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.reference.LogProbabilities;
import org.chorale.tensor.device.Device;
import org.chorale.training.ActivationPlan;
import org.chorale.training.AdapterConfig;
import org.chorale.training.AutogradSource;
import org.chorale.training.DecoderPipelineModel;
import org.chorale.training.Fp8Config;
import org.chorale.training.LanguageModelObjective;
import org.chorale.training.LossSource;
import org.chorale.training.MicroBatch;
import org.chorale.training.ModelConfig;
import org.chorale.training.ModelFlops;
import org.chorale.training.Objective;
import org.chorale.training.PairObjective;
import org.chorale.training.PipelineAssembly;
import org.chorale.training.PipelineModel;
import org.chorale.training.PipelineObjective;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.PreferenceFlops;
import org.chorale.training.RatingObjective;
import org.chorale.training.RecomputePolicy;
import org.chorale.training.Reference;
import org.chorale.training.ReferenceScores;
import org.chorale.training.WrappedModel;
import org.chorale.training.checkpoint.CheckpointWeights;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.checkpoint.WeightsExport;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.pipeline.DataShape;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;

/** What a run trains, and through which pipeline, as its configuration says. */
final class RunModel implements AutoCloseable {
    private final String runConf;
    private final long seed;
    private final CrossEntropySettings settings;
    private final RecomputePolicy recompute;
    private final PreferenceConfig preference;
    private final Optional<Reference> reference; // of preferences, where it runs beside the policy
    private final Optional<LogProbabilities> precomputed; // in its place
    private final Optional<PipelineAssembly> pipeline;
    private final Optional<ModelFolder> folder; // empty where the model is a user's own
    private final Optional<AutogradSource> own;
    private final ParameterSource source;

    private RunModel(String runConf, LocalComponents local) {
        PipelineConfig config = ConfigReader.read(runConf, PipelineConfig.KEY, PipelineConfig.class);
        DataShape data = ConfigReader.read(runConf, DataShape.KEY, DataShape.class);
        this.runConf = runConf;
        this.seed = ConfigReader.read(runConf, "run", RunSeed.class).seed();
        this.settings = ConfigReader.read(runConf, "loss", CrossEntropySettings.class);
        this.recompute = ConfigReader.read(runConf, "model", RecomputeKey.class).recompute();
        this.pipeline =
                config.isUsed() ? Optional.of(PipelineAssembly.of(config, settings, data, local)) : Optional.empty();
        this.own = pipeline.flatMap(PipelineAssembly::model)
                .map(model -> new AutogradSource(
                        model,
                        ConfigReader.read(runConf, "model", ModelConfig.Freezes.class)
                                .freezing(),
                        seed));
        Fp8Config fp8 = ConfigReader.read(runConf, "", PrecisionConfig.class).fp8();
        this.preference = ConfigReader.read(runConf, PreferenceConfig.KEY, PreferenceConfig.class);
        this.folder = own.isPresent() ? Optional.empty() : Optional.of(folder(runConf, fp8));
        folder.ifPresent(model -> refuseRouterLoss(model.config()));
        this.precomputed = folder.flatMap(this::precomputed);
        this.reference =
                precomputed.isPresent() ? Optional.empty() : folder.flatMap(policy -> Reference.of(policy, preference));
        ParameterSource ofModel =
                own.<ParameterSource>map(o -> o).or(() -> folder).orElseThrow();
        this.source = pipeline.<ParameterSource>map(
                        p -> new LossSource(ofModel, p.stages().loss().parameters(), seed))
                .or(() -> reference.map(other -> other.beside(ofModel)))
                .orElse(ofModel);
    }

    /** @param local components that only this process has */
    static RunModel open(String runConf, LocalComponents local) {
        return new RunModel(runConf, local);
    }

    /** A loss for routers where there are none, or where nothing adds it. */
    private void refuseRouterLoss(DecoderConfig model) {
        try {
            double coefficient = settings.routerCoefficient(model);
            if (coefficient != 0 && (pipeline.isPresent() || preference.isUsed())) {
                String asked = settings.router().isPresent()
                        ? "loss.router = " + coefficient
                        : "config.json (output_router_logits, router_aux_loss_coef = %s)".formatted(coefficient);
                throw new IllegalArgumentException(
                        "%s asks for a loss of the routers, which %s does not add: set loss.router = 0"
                                .formatted(asked, pipeline.isPresent() ? "a pipeline" : "a loss of preferences"));
            }
        } catch (IllegalArgumentException e) {
            folder.ifPresent(ModelFolder::close);
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    /** The model that a run begins with, and that its reference is. */
    static ModelFolder folder(String runConf, Fp8Config fp8) {
        long ownSeed = ConfigReader.read(runConf, "run", RunSeed.class).seed();
        ModelFolder opened =
                ConfigReader.read(runConf, "model", ModelConfig.class).open(ownSeed);
        return fp8.rule().map(opened::with).orElse(opened);
    }

    private Optional<LogProbabilities> precomputed(ModelFolder policy) {
        try {
            return preference
                    .precomputed()
                    .map(file -> StoredScores.open(
                            file,
                            StoredScores.origin(
                                    policy, preference, ConfigReader.read(runConf, "", PrecisionConfig.class))));
        } catch (FaultException e) {
            policy.close();
            throw e;
        }
    }

    private Optional<ReferenceScores> scores(ModelShard shard) {
        return precomputed
                .<ReferenceScores>map(
                        values -> new StoredScores(preference.precomputed().orElseThrow(), values, shard.device()))
                .or(() -> reference.map(other -> other.over(shard)));
    }

    ParameterSource source() {
        return source;
    }

    /** Whether a unit of the source is no part of the model, but of what it is compared with. */
    boolean isCopy(String unit) {
        return reference.filter(other -> other.isCopy(unit)).isPresent();
    }

    /** Whether ranks that hold parts of a parameter give each other those in FP8; no copy for a comparison is. */
    boolean isGatheredInFp8(String parameter) {
        return folder.filter(model -> model.isGatheredInFp8(parameter)).isPresent();
    }

    /** Empty where the model is a user's own. */
    Optional<ModelFolder> folder() {
        return folder;
    }

    /** The operations that its training needs; of a user's own model they are not known. */
    Optional<ToDoubleFunction<MicroBatch>> flops() {
        return folder.map(model -> {
            ModelFlops trained = ModelFlops.of(model.config(), model.units());
            ModelFlops forward = ModelFlops.ofForward(model.config(), model.units());
            return preference.isUsed() ? new PreferenceFlops(trained, forward, reference.isPresent())::of : trained::of;
        });
    }

    /** A user's own model. */
    Optional<AutogradSource> own() {
        return own;
    }

    /**
     * Allocates this rank's part by the plan.
     *
     * @param ranks closed by the caller, after this
     */
    ModelShard shard(List<UnitLayout> layout, RankGroups ranks, Device device) {
        if (folder.isEmpty()) {
            return new ModelShard(layout, ranks, device);
        }
        return new ModelShard(folder.get(), layout, ranks, device);
    }

    /**
     * Tells the blocks what to recompute, as configured, or as the memory that is left has it. Empty where the model is a
     * user's own.
     *
     * @param shard beside an optimizer that holds its state
     */
    Optional<ActivationPlan> activations(ModelShard shard) {
        if (folder.isEmpty()) {
            return Optional.empty();
        }
        MicroBatchSize size = ConfigReader.read(runConf, "data", MicroBatchSize.class);
        try {
            long sequences = (long) size.microBatch() * preference.trainedSequences();
            boolean accumulates = size.accumulates(shard.ranks().world().worldSize());
            return Optional.of(ActivationPlan.apply(recompute, shard, sequences, size.sequenceTokens(), accumulates));
        } catch (IllegalArgumentException e) { // auto without a GPU
            throw new FaultException(FaultCode.CONFIG_INVALID, String.valueOf(e.getMessage()), e);
        }
    }

    /** What the shard is trained by; the caller closes it before the shard. */
    Objective objective(ModelShard shard) {
        if (preference.isUsed()) {
            Optional<ReferenceScores> compared = scores(shard);
            return preference
                    .pairLoss()
                    .<Objective>map(loss -> new PairObjective(shard, compared, loss, seed))
                    .orElseGet(() -> new RatingObjective(shard, compared.orElseThrow(), preference.ratingLoss(), seed));
        }
        if (pipeline.isEmpty()) {
            return new LanguageModelObjective(shard, settings, seed);
        }
        PipelineModel model = own.isPresent()
                ? new WrappedModel(own.get().model(), shard.view())
                : new DecoderPipelineModel(shard.model());
        return new PipelineObjective(model, pipeline.get().stages(), shard.view(), seed);
    }

    /** A committed checkpoint as a folder that Transformers loads; of a user's own model a folder with its weights, by name. */
    void export(List<StoredFile> checkpoint, Path out) {
        try (CheckpointWeights weights = CheckpointWeights.open(checkpoint)) {
            export(weights, out);
        }
    }

    private void export(CheckpointWeights weights, Path out) {
        if (folder.isPresent()) {
            Path tokenizer = ConfigReader.read(runConf, "data.tokenizer", TokenizerPath.class)
                    .path()
                    .orElse(folder.get().folder());
            Optional<Path> template = ConfigReader.read(runConf, "data.chat", ChatTemplatePath.class)
                    .template();
            ModelExport.of(folder.get(), weights, tokenizer)
                    .chattingBy(template)
                    .write(ConfigReader.read(runConf, "model.adapter", AdapterConfig.Place.class)
                            .in(out));
            return;
        }
        WeightsExport.write(own.orElseThrow(), weights, PlanTranslation.precision(runConf), out);
    }

    @Override
    public void close() {
        source.close();
    }

    /** The key {@code data.tokenizer.path}; where it is not set, the tokenizer stands beside the model. */
    public record TokenizerPath(Optional<Path> path) {}

    /** The key {@code data.chat.template}; where it is not set, the tokenizer has its own. */
    public record ChatTemplatePath(Optional<Path> template) {}

    /** The keys below {@code data} that bound a forward pass, and say how many a step has. */
    public record MicroBatchSize(int globalBatch, int microBatch, int sequenceTokens) {
        /** Whether a rank has several in a step. */
        boolean accumulates(int worldSize) {
            return globalBatch > (long) microBatch * worldSize;
        }
    }

    /** The key {@code model.recompute}. */
    public record RecomputeKey(RecomputePolicy recompute) {}

    /** The key {@code run.seed}. */
    public record RunSeed(long seed) {}
}
