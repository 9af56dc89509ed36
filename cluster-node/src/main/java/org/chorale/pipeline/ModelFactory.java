// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ModuleModel;
import org.chorale.training.pipeline.NamedTensors;

/** Which model is trained, and what of it. Each method gives a new factory. */
public final class ModelFactory {
    private static final String PATH = "model.path";

    private final Keys keys;
    private final Optional<AutogradModel> own;

    private ModelFactory(Keys keys, Optional<AutogradModel> own) {
        this.keys = keys;
        this.own = own;
    }

    /** A Hugging Face model folder, with its weights. */
    public static ModelFactory fromPretrained(Path folder) {
        return new ModelFactory(Keys.NONE.with(PATH, folder), Optional.empty());
    }

    /** The config.json of a model folder, with weights drawn from the run's seed. */
    public static ModelFactory fromConfig(Path folder) {
        return new ModelFactory(Keys.NONE.with(PATH, folder).with("model.initialize", "random"), Optional.empty());
    }

    /**
     * What another run has trained: its run directory once it is finished, or its export.
     *
     * @throws FaultException FILE_MISSING where the run has exported nothing yet
     */
    public static ModelFactory fromCheckpoint(Path run) {
        for (Path folder : List.of(run, run.resolve("export"))) {
            if (Files.isRegularFile(folder.resolve("config.json"))) {
                return fromPretrained(folder);
            }
        }
        for (Path folder : List.of(run, run.resolve("export"))) {
            if (Files.isRegularFile(folder.resolve("adapter_config.json"))) {
                throw new FaultException(
                        FaultCode.CONFIG_INVALID,
                        "%1$s holds an adapter and no model: give its model with .adapter(Lora.from(%1$s)), or what `chorale export --merge %1$s OUT --model MODEL_DIR` writes"
                                .formatted(folder));
            }
        }
        throw new FaultException(
                FaultCode.FILE_MISSING,
                run
                        + " has no export yet: let the run end, or give what `chorale export %s OUT` writes"
                                .formatted(run));
    }

    /** A model of the user's own, written in plain libtorch operators. */
    public static ModelFactory fromInstance(AutogradModel model) {
        return new ModelFactory(Keys.NONE, Optional.of(model));
    }

    /**
     * A module of libtorch's own kind; it works in this process only.
     *
     * @param forward calls the module's layers
     */
    public static ModelFactory fromInstance(
            String name, Module module, BiFunction<NamedTensors, Context, NamedTensors> forward) {
        return fromInstance(new ModuleModel(name, module, forward));
    }

    /** The same model, changed: frozen in part, or wrapped. */
    public ModelFactory transform(ModelTransform transform) {
        return transform.apply(this);
    }

    /** Leaves parameters as they are, by globs over their names: * within a part, ** over dots. */
    public ModelFactory freeze(String... globs) {
        return with("model.freeze", Arrays.asList(globs));
    }

    /** Trains an adapter instead of the model's own parameters. */
    public ModelFactory adapter(Lora lora) {
        return new ModelFactory(keys.with(lora.keys()), own);
    }

    /** What the model takes and gives, where its own contract does not say it. */
    public ModelFactory contract(String contract) {
        return with("pipeline.model.contract", contract);
    }

    /**
     * Puts another model in the place of a user's own.
     *
     * @throws IllegalStateException where the model is a folder's
     */
    ModelFactory wrap(UnaryOperator<AutogradModel> wrapper) {
        AutogradModel inner = own.orElseThrow(() -> new IllegalStateException(
                "only a model of your own can be wrapped (ModelFactory.fromInstance); one from a folder can be frozen in"
                        + " part, or get an adapter"));
        return new ModelFactory(keys, Optional.of(wrapper.apply(inner)));
    }

    Keys keys() {
        return keys;
    }

    Optional<AutogradModel> own() {
        return own;
    }

    private ModelFactory with(String key, Object value) {
        return new ModelFactory(keys.with(key, value), own);
    }
}
