// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsHeader;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.TensorSpec;

/** An adapter on a model with its first values: drawn, or those of a PEFT folder; and the folder that it becomes. */
public final class AdapterSource implements AutoCloseable {
    private final LoraAdapter adapter;
    private final ObjectNode json; // adapter_config.json
    private final Optional<AdapterWeights> weights; // empty where the adapter is new
    private final List<ParameterOutline> stored;
    private final BaseValues base;
    private final PrincipalParts principal;
    private final FirstValues first;
    private final long seed;

    private AdapterSource(
            LoraAdapter adapter,
            ObjectNode json,
            List<ParameterOutline> stored,
            Optional<AdapterWeights> weights,
            BaseValues base,
            long seed) {
        this.adapter = adapter;
        this.json = json;
        this.stored = stored;
        this.weights = weights;
        this.base = base;
        this.principal = new PrincipalParts(base, adapter.config().pissaIterations(), seed);
        this.first = new FirstValues(adapter, base, principal, seed);
        this.seed = seed;
    }

    /**
     * A new adapter, of the seed.
     *
     * @param base folder of the model, as the user named it
     * @param values of the model, read for as long as this is open
     * @throws InvalidModelException where the model has nothing of what is named: a line per problem
     */
    public static AdapterSource drawn(
            LoraConfig config,
            Path base,
            List<LinearOutline> linears,
            List<UnitOutline> units,
            BaseValues values,
            long seed) {
        LoraAdapter adapter = on(config, base, linears, units);
        ObjectNode json = AdapterConfigJson.of(config, base, lastParts(adapter));
        return new AdapterSource(adapter, json, adapter.stored(adapter.units(units)), Optional.empty(), values, seed);
    }

    /**
     * An adapter that PEFT or we have written.
     *
     * @param values of the model, read for as long as this is open
     * @throws InvalidModelException where it asks for what is not supported, or does not fit the model or its own
     *     configuration: a line per problem
     * @throws UncheckedIOException where a file is missing
     */
    @SuppressWarnings("MustBeClosedChecker") // the source owns the weights and closes them
    public static AdapterSource read(
            Path folder, List<LinearOutline> linears, List<UnitOutline> units, BaseValues values) {
        AdapterConfigJson file = AdapterConfigJson.read(folder);
        LoraAdapter adapter = on(file.config(), folder.resolve(AdapterConfigJson.NAME), linears, units);
        List<ParameterOutline> stored = adapter.stored(adapter.units(units));
        return new AdapterSource(
                adapter, file.root(), stored, Optional.of(AdapterWeights.open(folder, adapter, stored)), values, 0);
    }

    /**
     * What the adapter of a folder is.
     *
     * @throws InvalidModelException where it asks for what is not supported: a line per problem
     * @throws UncheckedIOException where there is none
     */
    public static LoraConfig config(Path folder) {
        return AdapterConfigJson.read(folder).config();
    }

    private static LoraAdapter on(LoraConfig config, Path named, List<LinearOutline> linears, List<UnitOutline> units) {
        try {
            return LoraAdapter.on(config, linears, units);
        } catch (IllegalArgumentException e) {
            throw new InvalidModelException(
                    Reason.MISMATCH, named, String.valueOf(e.getMessage()).replace("\n", "\n" + named + ": "));
        }
    }

    public LoraAdapter adapter() {
        return adapter;
    }

    /** Whether the model with these first values computes what it would without: B is zero, and nothing else differs. */
    public boolean beginsAsNothing() {
        return weights.isEmpty()
                && switch (adapter.config().initialize()) {
                    case UNIFORM, GAUSSIAN -> true;
                    case PISSA -> false;
                };
    }

    /** Whether the first value of a parameter comes from here, and not from the model's own folder. */
    public boolean provides(String parameter) {
        return isInFile(parameter) || adapter.isOwn(parameter) || standsOnRest(parameter);
    }

    private boolean isInFile(String parameter) {
        return weights.filter(file -> file.has(parameter)).isPresent();
    }

    /** Whether the adapter began with the principal part of this weight, of which the weight keeps the rest. */
    private boolean standsOnRest(String parameter) {
        return adapter.config().initialize() == Initialize.PISSA
                && adapter.ofWeight(parameter).isPresent();
    }

    /**
     * Copies the elements [from, until) of a first value that this provides, converting to the target's dtype.
     *
     * @param target [until - from], written
     */
    public void copyInto(String parameter, long from, long until, Tensor target) {
        if (isInFile(parameter)) {
            weights.orElseThrow().copyInto(parameter, from, until, target);
        } else if (adapter.isOwn(parameter)) {
            first.copyInto(parameter, from, until, target);
        } else {
            principal.copyRest(adapter.ofWeight(parameter).orElseThrow(), from, until, target);
        }
    }

    /** Whether a folder is an adapter's, going by its configuration's name. */
    public static boolean isIn(Path folder) {
        return Files.isRegularFile(folder.resolve(AdapterConfigJson.NAME));
    }

    /**
     * Rows of a table of the model, such as the embedding, of which the adapter of a folder holds a copy.
     *
     * @return empty where it holds none, or no readable file at all, which reading it says
     */
    public static Optional<Long> savedRows(Path folder, String parameter) {
        Path file = folder.resolve(AdapterWeights.NAME);
        return Files.isRegularFile(file)
                ? SafetensorsHeader.read(file)
                        .find(AdapterWeights.PREFIX + parameter)
                        .map(entry -> entry.shape().get(0))
                : Optional.empty();
    }

    /**
     * The model that an adapter's configuration names: a folder, or a name on a hub.
     *
     * @return {@code base_model_name_or_path} as it stands there; empty where it is null
     * @throws InvalidModelException where the file cannot be used
     */
    public static Optional<String> base(Path folder) {
        return AdapterConfigJson.read(folder).base();
    }

    /** Tells these first values from others': adapter_config.json, and the seed or the digest of the file. */
    public String fingerprint() {
        String values = weights.map(AdapterWeights::sha256).orElse("drawn from seed " + seed);
        return PythonJson.write(json) + "\n" + values;
    }

    /** What the adapter's file holds, by the names of the model's units. */
    public List<ParameterOutline> stored() {
        return stored;
    }

    /**
     * Writes the adapter as PEFT 0.21 would: {@code adapter_config.json} and {@code adapter_model.safetensors}. Fields of
     * a folder that this was read from stay, whatever they say. One that stands on the rests of weights is converted to one
     * that stands on the weights themselves, so that nobody who loads it needs to decompose anything.
     *
     * @param values of what {@link #stored} lists, contiguous and on the CPU, in the dtype that is to be stored
     */
    public void write(Path folder, Function<String, Tensor> values) {
        boolean converts = adapter.config().initialize() == Initialize.PISSA;
        Function<String, Tensor> written =
                converts ? new WholeWeightsAdapter(adapter, base, principal, values)::value : values;
        Map<String, String> parameters = new LinkedHashMap<>();
        List<TensorSpec> specs = new ArrayList<>();
        for (ParameterOutline parameter : stored) {
            String name = AdapterWeights.storedName(adapter, parameter.name());
            parameters.put(name, parameter.name());
            try (TensorScope scope = new TensorScope()) {
                specs.add(TensorSpec.of(name, written.apply(parameter.name())));
            }
        }
        ObjectNode described = converts
                ? AdapterConfigJson.onWholeWeights(json, adapter.config().rslora())
                : json.deepCopy();
        described.put("inference_mode", true);
        try {
            Files.createDirectories(folder);
            Files.writeString(folder.resolve(AdapterConfigJson.NAME), PythonJson.write(described));
        } catch (IOException e) {
            throw new UncheckedIOException(folder + ": could not be written: " + e, e);
        }
        SafetensorsWriter.write(
                folder.resolve(AdapterWeights.NAME),
                specs,
                name -> written.apply(Objects.requireNonNull(parameters.get(name))),
                SafetensorsWriter.DEFAULT_METADATA);
    }

    @Override
    public void close() {
        principal.close();
        weights.ifPresent(AdapterWeights::close);
    }

    /** How PEFT writes all linears: by the last parts of their names. */
    private static List<String> lastParts(LoraAdapter adapter) {
        return adapter.modules().stream()
                .map(module -> module.linear().module())
                .map(module -> module.substring(module.lastIndexOf('.') + 1))
                .toList();
    }
}
