// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.chorale.worker.Feature.Factor;

/** What can be trained, how, and what does not go together. The first feature of each factor goes with everything. */
public final class Features {
    private static final Path GOLDENS = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "shard-actors/training/src/test/resources/goldens");

    /** Folders of models, at least one of each family. */
    private static final List<String> FAMILIES = List.of(
            "llama",
            "llama3-rope-tied",
            "mistral-sliding",
            "qwen2",
            "qwen3",
            "gpt-neox",
            "gpt-neox-sequential",
            "gemma2",
            "gemma3",
            "phi3",
            "olmo2",
            "mixtral",
            "qwen3-moe");

    /** Biases of keys, which hardly have a gradient: Adam would turn its rounding into moves. */
    private static final Map<String, String> FROZEN = Map.of(
            "qwen2", "**.k_proj.bias",
            "gpt-neox", "**.query_key_value.bias",
            "gpt-neox-sequential", "**.query_key_value.bias");

    private static final Map<String, String> HEADS =
            Map.of("gpt-neox", "embed_out", "gpt-neox-sequential", "embed_out");

    private static final String LORA = "model.adapter { type = lora, rank = 3, alpha = 6, %s }";
    private static final String SAVED = "modules-to-save = [%s]";

    /**
     * Two features that do not go together.
     *
     * @param reason how it begins
     */
    public record Refusal(Feature one, Feature other, String reason) {
        boolean concerns(Feature first, Feature second) {
            return (one.equals(first) && other.equals(second)) || (one.equals(second) && other.equals(first));
        }

        @Override
        public String toString() {
            return one + " with " + other;
        }
    }

    private static final List<Feature> ALL = all();
    private static final List<Refusal> REFUSALS = refused();

    private Features() {}

    /** By factor. */
    public static List<List<Feature>> factors() {
        return Stream.of(Factor.values()).map(Features::of).toList();
    }

    /** The features of a factor. */
    public static List<Feature> of(Factor factor) {
        return ALL.stream().filter(feature -> feature.factor() == factor).toList();
    }

    /** Every pair of features that does not go together. */
    public static List<Refusal> refusals() {
        return REFUSALS;
    }

    /** Whether two features of different factors go together. */
    public static boolean together(Feature one, Feature other) {
        return REFUSALS.stream().noneMatch(refusal -> refusal.concerns(one, other));
    }

    /** The first feature of each factor, but for those that are given. */
    public static List<Feature> with(Feature... given) {
        List<Feature> row = new ArrayList<>();
        for (List<Feature> features : factors()) {
            row.add(Stream.of(given).filter(features::contains).findFirst().orElse(features.get(0)));
        }
        return row;
    }

    /** A row's keys. The head has another name in some families. */
    public static String keys(List<Feature> row) {
        String keys = String.join("\n", row.stream().map(Feature::keys).toList());
        return keys.replace(SAVED, SAVED.formatted(HEADS.getOrDefault(row.get(0).name(), "lm_head")));
    }

    private static List<Feature> all() {
        List<Feature> all = new ArrayList<>();
        FAMILIES.forEach(family -> all.add(new Feature(Factor.FAMILY, family, modelKeys(family))));
        add(all, Factor.ADAPTER, "LoRA with dropout", LORA.formatted("dropout = 0.1"));
        add(all, Factor.ADAPTER, "no adapter", "");
        add(all, Factor.ADAPTER, "rsLoRA", LORA.formatted("rslora = true, rank-pattern { down_proj = 2 }"));
        add(all, Factor.ADAPTER, "DoRA", LORA.formatted("dora = true"));
        add(all, Factor.ADAPTER, "DoRA with dropout", LORA.formatted("dora = true, dropout = 0.1"));
        add(all, Factor.ADAPTER, "PiSSA", LORA.formatted("initialize = pissa"));
        add(all, Factor.ADAPTER, "LoRA and the head", LORA.formatted(SAVED));
        add(all, Factor.PRECISION, "fp32", "precision = fp32");
        add(all, Factor.PRECISION, "bf16", "precision = bf16");
        add(all, Factor.PRECISION, "bf16-true", "precision = bf16-true");
        add(all, Factor.PRECISION, "fp16", "precision = fp16");
        add(all, Factor.PRECISION, "FP8 by tensor", "precision = bf16, fp8.scaling = tensor");
        add(all, Factor.PRECISION, "FP8 gathered", "precision = bf16-true, fp8 { scaling = tensor, gather = true }");
        add(all, Factor.PRECISION, "FP8 by row", "precision = bf16-true, fp8.scaling = row");
        add(all, Factor.LOSS, "cross entropy", "");
        add(all, Factor.LOSS, "smoothed with z-loss", "loss { label-smoothing = 0.1, z-loss = 1e-3 }");
        add(all, Factor.LOSS, "of a pipeline", "pipeline.loss { type = CrossEntropyLoss }");
        add(all, Factor.LOSS, "DPO", "loss.preference.type = dpo");
        add(all, Factor.LOSS, "DPO against the base", "loss.preference { type = dpo, reference = base }");
        add(all, Factor.LOSS, "KTO", "loss.preference.type = kto");
        add(all, Factor.LOSS, "ORPO", "loss.preference.type = orpo");
        add(all, Factor.SHARDING, "one worker", "parallel.workers = 1");
        add(all, Factor.SHARDING, "full-shard on 2", "parallel { workers = 2, mode = full-shard }");
        add(all, Factor.SHARDING, "full-shard on 3", "parallel { workers = 3, mode = full-shard }");
        add(all, Factor.SHARDING, "keep-gathered on 3", "parallel { workers = 3, mode = keep-gathered }");
        add(all, Factor.SHARDING, "optimizer-only on 2", "parallel { workers = 2, mode = optimizer-only }");
        add(all, Factor.SHARDING, "replicate on 3", "parallel { workers = 3, mode = replicate }");
        add(all, Factor.SHARDING, "hybrid on 4", "parallel { workers = 4, mode = hybrid, shard-size = 2 }");
        add(all, Factor.RECOMPUTE, "no recompute", "model.recompute = none");
        add(all, Factor.RECOMPUTE, "selective recompute", "model.recompute = selective");
        add(all, Factor.RECOMPUTE, "full recompute", "model.recompute = full");
        add(all, Factor.ROWS, "padded", "data.packing = false");
        add(all, Factor.ROWS, "packed", "data.packing = true");
        add(all, Factor.OPTIMIZER, "AdamW", "optimizer.type = adamw");
        add(all, Factor.OPTIMIZER, "SGD", "optimizer { type = sgd, momentum = 0.9 }");
        add(all, Factor.OPTIMIZER, "LoRA+", "optimizer.lora-plus-ratio = 4");
        return List.copyOf(all);
    }

    private static String modelKeys(String family) {
        String path = "model.path = \"%s\"".formatted(GOLDENS.resolve(family));
        return FROZEN.containsKey(family) ? path + "\nmodel.freeze = [\"%s\"]".formatted(FROZEN.get(family)) : path;
    }

    private static void add(List<Feature> all, Factor factor, String name, String keys) {
        all.add(new Feature(factor, name, keys));
    }

    private static List<Refusal> refused() {
        List<Refusal> refused = new ArrayList<>();
        for (String loss : List.of("DPO", "DPO against the base", "KTO", "ORPO")) {
            refused.add(refusal(loss, "packed", "data.packing = true"));
        }
        refused.add(refusal("DPO against the base", "no adapter", "loss.preference.reference = base"));
        refused.add(refusal("DPO against the base", "PiSSA", "loss.preference.reference = base"));
        refused.add(refusal("DoRA with dropout", "FP8 by tensor", "fp8.scaling = tensor"));
        refused.add(refusal("DoRA with dropout", "FP8 by row", "fp8.scaling = row"));
        refused.add(refusal("DoRA", "FP8 gathered", "fp8.gather = true"));
        refused.add(refusal("DoRA with dropout", "FP8 gathered", "fp8.gather = true"));
        refused.add(refusal("optimizer-only on 2", "FP8 gathered", "fp8.gather = true"));
        refused.add(refusal("replicate on 3", "FP8 gathered", "fp8.gather = true"));
        refused.add(refusal("SGD", "FP8 gathered", "optimizer.type = sgd"));
        refused.add(refusal("SGD", "bf16-true", "optimizer.type = sgd"));
        refused.add(refusal("SGD", "FP8 by row", "optimizer.type = sgd"));
        refused.add(refusal("LoRA+", "no adapter", "optimizer.lora-plus-ratio = 4.0"));
        return List.copyOf(refused);
    }

    private static Refusal refusal(String one, String other, String reason) {
        return new Refusal(named(one), named(other), reason);
    }

    private static Feature named(String name) {
        return ALL.stream()
                .filter(feature -> feature.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no feature " + name));
    }
}
