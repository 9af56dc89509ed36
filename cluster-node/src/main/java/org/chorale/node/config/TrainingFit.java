// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.AdapterConfig;
import org.chorale.training.Fp8Config;
import org.chorale.training.ModelConfig;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.RecomputePolicy;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.worker.DeviceConfig;

/**
 * What of a run's model, arithmetic, pipeline and optimizer does not go together. A section that could not be read has
 * problems of its own.
 *
 * @param model empty where the model is a user's own
 */
record TrainingFit(
        Optional<ModelConfig> model,
        Optional<PrecisionConfig> precision,
        Optional<OptimizerConfig> optimizer,
        Optional<PipelineConfig> pipeline,
        Optional<DeviceConfig> device,
        Optional<ParallelSettings> parallel) {
    /** A line per problem. */
    List<String> problems() {
        List<String> problems = new ArrayList<>();
        precision.ifPresent(given -> optimizer.ifPresent(by -> addOfOptimizer(problems, by, given)));
        model.ifPresent(given -> {
            if (given.recompute() == RecomputePolicy.AUTO) {
                addOfChoice(problems);
            }
            addOfAdapter(problems, given.adapter());
        });
        if (gathersInFp8()) {
            parallel.map(ParallelSettings::mode).ifPresent(mode -> addOfGather(problems, mode));
        }
        return problems;
    }

    /** Only Adam's kernels take masters and gradients of different dtypes. */
    private static void addOfOptimizer(List<String> problems, OptimizerConfig optimizer, PrecisionConfig precision) {
        Algorithm type = optimizer.type();
        if (precision.precision().master() != StoredType.F32 && type != Algorithm.ADAMW && type != Algorithm.ADAM) {
            problems.add("optimizer.type = %s: precision = %s needs adamw or adam"
                    .formatted(type.word(), precision.precision().word()));
        }
    }

    private boolean gathersInFp8() {
        return precision.map(PrecisionConfig::fp8).filter(Fp8Config::gather).isPresent();
    }

    private static void addOfGather(List<String> problems, ParallelSettings.Mode mode) {
        String why = switch (mode) {
            case FULL_SHARD, KEEP_GATHERED, HYBRID -> "";
            case OPTIMIZER_ONLY -> "whole weights are there always, and only their bf16 values are gathered";
            case REPLICATE -> "every worker holds whole weights, and none are gathered";
        };
        if (!why.isEmpty()) {
            problems.add(("fp8.gather = true: with parallel.mode = %s %s; make the mode full-shard, keep-gathered or"
                            + " hybrid, or leave fp8.gather out")
                    .formatted(mode.name().toLowerCase(Locale.ROOT).replace('_', '-'), why));
        }
    }

    /** Memory is chosen by where all of it is known. */
    private void addOfChoice(List<String> problems) {
        if (pipeline.filter(PipelineConfig::isUsed).isPresent()) {
            problems.add(
                    "model.recompute = auto: the memory of a pipeline's stages and loss is not known ahead; it must be"
                            + " none, selective or full");
        }
        precision
                .map(PrecisionConfig::fp8)
                .filter(given -> given.rule().isPresent())
                .ifPresent(fp8 -> problems.add(
                        "model.recompute = auto: what the FP8 forms of weights and gradients take (fp8.scaling = %s) is not in its"
                                        .formatted(fp8.word())
                                + " count; it must be none, selective or full"));
        if (device.filter(given -> given.device() == DeviceConfig.Kind.CPU).isPresent()) {
            problems.add(
                    "model.recompute = auto: only a GPU has memory of its own to choose by, and parallel.device = cpu;"
                            + " it must be none, selective or full");
        }
    }

    /** What a folder of an adapter says is seen when it is opened. */
    private void addOfAdapter(List<String> problems, AdapterConfig adapter) {
        if (adapter.type() == AdapterConfig.Type.NONE) {
            optimizer
                    .flatMap(OptimizerConfig::loraPlusRatio)
                    .ifPresent(ratio -> problems.add(
                            "optimizer.lora-plus-ratio = %s: no adapter is trained (model.adapter.type = none); leave it out"
                                    .formatted(ratio)));
        }
        Optional<Fp8Config> fp8 =
                precision.map(PrecisionConfig::fp8).filter(given -> given.rule().isPresent());
        boolean dora = fp8.isPresent() && adapter.dora().orElse(false);
        if (dora && gathersInFp8()) {
            problems.add(
                    "fp8.gather = true: an adapter with model.adapter.dora measures the rows of weights in bf16, which"
                            + " are not there where they are gathered in FP8; leave one of the two out");
        } else if (dora && adapter.dropout().orElse(0.0) > 0) {
            problems.add(
                    ("fp8.scaling = %s: an adapter with model.adapter.dora and model.adapter.dropout multiplies each"
                                    + " weight by two inputs, which FP8 factors do not serve; leave one of the three out")
                            .formatted(fp8.get().word()));
        }
    }
}
