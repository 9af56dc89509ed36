// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.EvaluationSettings;
import org.chorale.data.DataConfig;
import org.chorale.data.measure.Truncation;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.training.AdapterConfig;
import org.chorale.training.ModelConfig;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.preference.PreferenceConfig.Reference;

/**
 * What of a run's other sections a loss over preferences cannot go with. A section that could not be read has problems of
 * its own.
 */
record PreferenceFit(
        PreferenceConfig preference,
        Optional<DataConfig> data,
        Optional<CrossEntropySettings> crossEntropy,
        Optional<PipelineConfig> pipeline,
        Optional<ModelConfig> model,
        Optional<EvaluationSettings> evaluation) {
    /** A line per problem; none where there are no preferences. */
    List<String> problems() {
        List<String> problems = new ArrayList<>();
        preference.type().ifPresent(type -> {
            String with = " with %s.type = %s: ".formatted(PreferenceConfig.KEY, type.word());
            data.ifPresent(given -> addOfData(problems, given, with));
            crossEntropy.ifPresent(given -> addOfCrossEntropy(problems, given, with));
            if (pipeline.filter(PipelineConfig::isUsed).isPresent()) {
                problems.add("pipeline" + with + "a pipeline has a loss of its own; leave one of them out");
            }
            if (evaluation
                    .filter(given -> given.metric() == EvaluationSettings.Metric.EXACT_MATCH)
                    .isPresent()) {
                problems.add("evaluation.metric = exact-match" + with + "nothing is decoded; must be loss");
            }
            if (preference.comparison() == Reference.BASE && isWithoutAdapter()) {
                problems.add(PreferenceConfig.KEY
                        + ".reference = base with model.adapter.type = none: there is no model under an adapter; must be"
                        + " initial");
            }
            if (preference.comparison() == Reference.BASE && takesPartsOfTheBase()) {
                problems.add(PreferenceConfig.KEY
                        + ".reference = base with model.adapter.initialize = pissa: the model under the adapter is what is"
                        + " left without its principal parts; must be initial");
            }
        });
        return problems;
    }

    private boolean isWithoutAdapter() {
        return model.filter(given -> given.adapter().type() == AdapterConfig.Type.NONE)
                .isPresent();
    }

    private boolean takesPartsOfTheBase() {
        return model.flatMap(given -> given.adapter().initialize())
                .filter(LoraConfig.Initialize.PISSA::equals)
                .isPresent();
    }

    private static void addOfData(List<String> problems, DataConfig data, String with) {
        if (data.packing()) {
            problems.add(
                    "data.packing = true" + with + "the two sequences of an example are not packed; must be false");
        }
        if (data.numberFields().areUsed()) {
            problems.add("data.numbers" + with + "preferences are texts; leave one of them out");
        }
        if (data.truncation() == Truncation.SPLIT) {
            problems.add("data.truncation = split" + with + "an answer is judged as a whole; must be cut or error");
        }
        if (data.train().isEmpty() && data.generate().task().isPresent()) {
            problems.add("data.generate.task" + with + "it generates no preferences; set data.train.path");
        }
    }

    private static void addOfCrossEntropy(List<String> problems, CrossEntropySettings loss, String with) {
        if (loss.labelSmoothing() != 0) {
            problems.add("loss.label-smoothing = " + loss.labelSmoothing() + with + "it is cross entropy's; must be 0");
        }
        if (loss.zLoss() != 0) {
            problems.add("loss.z-loss = " + loss.zLoss() + with + "it is cross entropy's; must be 0");
        }
        loss.router()
                .filter(coefficient -> coefficient != 0)
                .ifPresent(coefficient -> problems.add(
                        "loss.router = " + coefficient + with + "the routers' loss is not added; must be 0 or null"));
    }
}
