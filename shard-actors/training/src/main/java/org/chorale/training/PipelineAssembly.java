// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.training.contract.ContractException;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Component;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.DataShape;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.PreProcessor;
import org.chorale.training.pipeline.Stages;

/**
 * A pipeline put together as a configuration says.
 *
 * @param model a user's own; empty where {@code model.path} names a language model
 * @param stages what stands around it
 */
public record PipelineAssembly(Optional<AutogradModel> model, Stages stages) {
    private static final String LANGUAGE_MODEL = "LanguageModel";

    /**
     * Makes every component, and follows the contracts from one to the next.
     *
     * @throws PipelineException with every problem, a line each
     */
    public static PipelineAssembly of(
            PipelineConfig config, CrossEntropySettings settings, DataShape data, LocalComponents local) {
        PipelineAssembly assembly = parts(config, settings, data, local);
        List<String> problems = new ArrayList<>();
        collect(problems, () -> problems.addAll(assembly.stages().problems()));
        refuse(problems);
        return assembly;
    }

    /**
     * As {@link #of}, but however its contracts fit together.
     *
     * @throws PipelineException where a component cannot be made
     */
    public static PipelineAssembly parts(
            PipelineConfig config, CrossEntropySettings settings, DataShape data, LocalComponents local) {
        List<String> problems = new ArrayList<>();
        List<PreProcessor> preprocessors =
                all(problems, PipelineConfig.PREPROCESS, config.preprocess(), PreProcessor.class, local);
        List<PostProcessor> postprocessors =
                all(problems, PipelineConfig.POSTPROCESS, config.postprocess(), PostProcessor.class, local);
        List<AutogradModel> models = new ArrayList<>();
        List<LossCalculator> losses = new ArrayList<>();
        config.model()
                .type()
                .ifPresent(type -> collect(
                        problems,
                        () -> models.add(one(
                                PipelineConfig.MODEL,
                                new ComponentConfig(
                                        type, Optional.of(config.model().config())),
                                AutogradModel.class,
                                local))));
        config.loss()
                .type()
                .ifPresent(type -> collect(
                        problems,
                        () -> losses.add(one(
                                PipelineConfig.LOSS,
                                new ComponentConfig(
                                        type, Optional.of(config.loss().config())),
                                LossCalculator.class,
                                local))));
        boolean plain = settings.labelSmoothing() == 0 && settings.zLoss() == 0;
        if (config.loss().type().isPresent() && !plain) {
            problems.add("loss.label-smoothing and loss.z-loss are not read where pipeline.loss.type is set:"
                    + " set them in pipeline.loss.config");
        }
        if (settings.router().orElse(0.0) != 0) {
            problems.add("loss.router = %s: a pipeline does not add the routers' loss: leave it null, or 0"
                    .formatted(settings.router().get()));
        }
        refuse(problems);
        Optional<AutogradModel> model = models.stream().findFirst();
        String contract =
                config.model().contract().orElse(model.map(Component::contract).orElse(Stages.LANGUAGE_MODEL_CONTRACT));
        return new PipelineAssembly(
                model,
                new Stages(
                        data,
                        preprocessors,
                        model.map(Component::name).orElse(LANGUAGE_MODEL),
                        contract,
                        postprocessors,
                        losses.isEmpty() ? new CrossEntropyLoss().with(settings) : losses.get(0),
                        config.contracts()));
    }

    private static <C extends Component> List<C> all(
            List<String> problems, String key, List<ComponentConfig> configs, Class<C> kind, LocalComponents local) {
        List<C> components = new ArrayList<>();
        for (int i = 0; i < configs.size(); i++) {
            String place = PipelineConfig.element(key, i);
            ComponentConfig config = configs.get(i);
            collect(problems, () -> components.add(one(place, config, kind, local)));
        }
        return components;
    }

    private static <C extends Component> C one(
            String key, ComponentConfig config, Class<C> kind, LocalComponents local) {
        return local.find(key, kind).orElseGet(() -> config.build(key, kind));
    }

    private static void collect(List<String> problems, Runnable attempt) {
        try {
            attempt.run();
        } catch (PipelineException | ContractException e) {
            String.valueOf(e.getMessage()).lines().forEach(problems::add);
        }
    }

    private static void refuse(List<String> problems) {
        if (!problems.isEmpty()) {
            throw new PipelineException(String.join("\n", problems));
        }
    }
}
