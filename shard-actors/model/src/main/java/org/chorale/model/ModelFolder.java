// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.adapter.AdapterSource;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.DecoderInitialization;
import org.chorale.model.family.Families;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.Fp8Linears;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.StagedCopy;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorEntry;

/**
 * A Hugging Face model folder: its configuration, and its weights or the rule by which they are drawn.
 *
 * <p>Opening checks everything that headers tell: family, sizes, that each parameter is there with its shape and a
 * floating-point dtype, and that nothing else is. Weights are mapped, and read when they are asked for.
 */
public final class ModelFolder implements ParameterSource {
    private static final Set<StoredType> WEIGHT_TYPES =
            Set.of(StoredType.F64, StoredType.F32, StoredType.F16, StoredType.BF16);

    /** The ends of names of constants that old releases saved. */
    private static final List<String> CONSTANTS =
            List.of(".rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias");

    private final Path folder;
    private final DecoderConfig config;
    private final List<UnitOutline> units;
    private final Optional<ModelFiles> files; // empty where weights are drawn
    private final Optional<AddedRows> addedRows;
    private final Optional<AdapterSource> adapter;
    private final Fp8Linears fp8;
    private final boolean untied; // by the adapter: the folder has no head
    private final long seed;

    private ModelFolder(
            Path folder,
            DecoderConfig config,
            List<UnitOutline> units,
            Optional<ModelFiles> files,
            Optional<AdapterSource> adapter,
            Fp8Linears fp8,
            boolean untied,
            long seed) {
        this.folder = folder;
        this.config = config;
        this.units = units;
        this.files = files;
        this.addedRows = files.map(AddedRows::new);
        this.adapter = adapter;
        this.fp8 = fp8;
        this.untied = untied;
        this.seed = seed;
    }

    /**
     * Opens a folder with its weights.
     *
     * @throws InvalidModelException where family, configuration or weights cannot be used
     * @throws java.io.UncheckedIOException where a file is missing
     */
    @SuppressWarnings("MustBeClosedChecker") // the model folder owns the files and closes them
    public static ModelFolder pretrained(Path folder) {
        DecoderConfig config = config(folder);
        ModelFiles files = ModelFiles.open(folder);
        ModelFolder model = new ModelFolder(
                folder, config, config.units(), Optional.of(files), Optional.empty(), Fp8Linears.NONE, false, 0);
        try {
            model.checkWeights(files);
            return model;
        } catch (RuntimeException e) {
            files.close();
            throw e;
        }
    }

    /** Opens a folder for its configuration alone; weights are drawn from the seed. */
    public static ModelFolder random(Path folder, long seed) {
        DecoderConfig config = config(folder);
        return new ModelFolder(
                folder, config, config.units(), Optional.empty(), Optional.empty(), Fp8Linears.NONE, false, seed);
    }

    /**
     * The same model with fewer parameters trained. It takes this one's place: only the returned one is used, and
     * closed; where there is none, this one is closed.
     *
     * @throws InvalidModelException where a pattern matches no parameter, or nothing is left to train
     */
    public ModelFolder with(Freezing freezing) {
        try {
            return new ModelFolder(folder, config, freezing.apply(units), files, adapter, fp8, untied, seed);
        } catch (IllegalArgumentException e) {
            close();
            throw new InvalidModelException(Reason.MISMATCH, folder, String.valueOf(e.getMessage()));
        }
    }

    /**
     * The same model with more rows in embedding and head, for a tokenizer that has more tokens; they begin as the mean of the
     * others. Like {@link #with(Freezing)}, it takes this one's place.
     *
     * @param rows of all; not fewer than there are
     * @throws InvalidModelException where they would be fewer, or the weights are drawn
     */
    public ModelFolder resized(long rows) {
        if (rows < config.vocabulary() || files.isEmpty()) {
            close();
            String why = files.isEmpty()
                    ? "its weights are drawn; set vocab_size in its config.json"
                    : "the model has %d rows, and none can be taken away".formatted(config.vocabulary());
            throw new InvalidModelException(
                    Reason.MISMATCH, folder, "model.resize-embeddings = %d: %s".formatted(rows, why));
        }
        DecoderConfig larger = config.resized(rows);
        return new ModelFolder(folder, larger, larger.units(), files, adapter, fp8, untied, seed);
    }

    /**
     * The same model with FP8 factors in products of its linears. Like {@link #with(Freezing)}, it takes this one's place.
     *
     * @throws InvalidModelException where the rule does not fit the model: a line per problem
     */
    public ModelFolder with(Fp8Rule rule) {
        try {
            Set<String> linears = rule.of(config.fp8Linears());
            refuseWithAdapter(rule);
            Fp8Linears scaled = new Fp8Linears.Chosen(linears, rule.scaling(), rule.gather());
            return new ModelFolder(folder, config, units, files, adapter, scaled, untied, seed);
        } catch (IllegalArgumentException e) {
            close();
            throw new InvalidModelException(Reason.MISMATCH, folder, String.valueOf(e.getMessage()));
        }
    }

    /** Whether ranks that hold parts of a parameter give each other those in FP8: it is the weight of a linear that reads it so. */
    public boolean isGatheredInFp8(String parameter) {
        return fp8.isGathered(parameter);
    }

    private void refuseWithAdapter(Fp8Rule rule) {
        Optional<LoraConfig> lora = adapter.map(source -> source.adapter().config());
        if (rule.gather() && lora.filter(LoraConfig::dora).isPresent()) {
            throw new IllegalArgumentException("an adapter with dora measures the rows of weights in bf16, which"
                    + " are not there where they are gathered in FP8: set fp8.gather = false");
        }
        if (lora.filter(config -> config.dora() && config.dropout() > 0).isPresent()) {
            throw new IllegalArgumentException(
                    "an adapter with dora and dropout multiplies each weight by two inputs, which"
                            + " FP8 factors do not serve: set model.adapter.dropout or fp8.scaling to none");
        }
    }

    /**
     * The same model with a new adapter, drawn from the seed. Like {@link #with(Freezing)}, it takes this one's place.
     *
     * @throws InvalidModelException where the model has nothing of what is named: a line per problem
     */
    public ModelFolder adapted(LoraConfig lora, long adapterSeed) {
        return adapted(
                () -> lora,
                own -> AdapterSource.drawn(lora, folder, own.config.linears(), own.units, own::copyInto, adapterSeed));
    }

    /**
     * The same model with an adapter that PEFT or we have written; with as many rows in its embeddings as the adapter has,
     * where it was trained on more. Like {@link #with(Freezing)}, it takes this one's place.
     *
     * @throws InvalidModelException where the adapter cannot be used, or does not fit: a line per problem
     * @throws java.io.UncheckedIOException where a file is missing
     */
    public ModelFolder adapted(Path adapterFolder) {
        long rows =
                AdapterSource.savedRows(adapterFolder, config.embeddingWeight()).orElse(config.vocabulary());
        return rows > config.vocabulary() ? resized(rows).adaptedAlike(adapterFolder) : adaptedAlike(adapterFolder);
    }

    private ModelFolder adaptedAlike(Path adapterFolder) {
        return adapted(
                () -> AdapterSource.config(adapterFolder),
                own -> AdapterSource.read(adapterFolder, own.config.linears(), own.units, own::copyInto));
    }

    /** An adapter that trains a copy of head or embedding unties them, as PEFT does; both begin as the embedding. */
    private ModelFolder adapted(Supplier<LoraConfig> lora, Function<ModelFolder, AdapterSource> source) {
        try {
            boolean unties = config.tied() && savesAnEnd(lora.get());
            ModelFolder own = unties ? untied() : this;
            AdapterSource found = source.apply(own);
            List<UnitOutline> adapted = found.adapter().units(own.units);
            own.refuseFrozenRows(adapted);
            return new ModelFolder(folder, own.config, adapted, files, Optional.of(found), fp8, unties, seed);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private boolean savesAnEnd(LoraConfig lora) {
        return lora.saves(config.embeddingWeight()) || lora.saves(config.headWeight());
    }

    /** Rows that are new mean nothing before they are trained. */
    private void refuseFrozenRows(List<UnitOutline> adapted) {
        List<String> frozen = adapted.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(parameter -> !parameter.trainable() && isResized(parameter))
                .map(parameter -> parameter.name().replaceFirst("\\.weight$", ""))
                .toList();
        if (!frozen.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH,
                    folder,
                    "model.resize-embeddings = %d: the new rows of %2$s would not be trained; add %2$s to"
                                    .formatted(config.vocabulary(), String.join(", ", frozen))
                            + " model.adapter.modules-to-save");
        }
    }

    private ModelFolder untied() {
        DecoderConfig own = config.untied();
        return new ModelFolder(folder, own, own.units(), files, adapter, fp8, true, seed);
    }

    /** The adapter, if there is one. */
    public Optional<AdapterSource> adapter() {
        return adapter;
    }

    /**
     * A weight of the model without its adapter: what the two make together where it is adapted, itself elsewhere. In the open scope.
     *
     * @param parameter a published name of the model
     * @param values by the names of {@link #units}
     */
    public Tensor merged(String parameter, Function<String, Tensor> values) {
        Tensor weight = values.apply(parameter);
        return adapter.flatMap(source -> source.adapter().ofWeight(parameter))
                .map(module -> module.merged(weight, values))
                .orElse(weight);
    }

    /** Hugging Face's model_type. */
    public String family() {
        return config.family();
    }

    /** SHA-256 of config.json, in lower-case hexadecimal: two runs with the same one compute the same function. */
    public String configSha256() {
        try {
            return sha256(Files.readAllBytes(folder.resolve("config.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Tells these first weights from others', in lower-case hexadecimal: SHA-256 over config.json, the fingerprint of the
     * files or the seed that the weights are drawn from, and the adapter likewise.
     */
    @Override
    public String fingerprint() {
        return fingerprint(adapter.map(source -> "\n" + source.fingerprint()).orElse(""));
    }

    /** Likewise, of the model without its adapter. */
    public String baseFingerprint() {
        return fingerprint("");
    }

    private String fingerprint(String adapted) {
        String weights = files.map(ModelFiles::fingerprint).orElse("drawn from seed " + seed);
        boolean resized =
                units.stream().flatMap(unit -> unit.parameters().stream()).anyMatch(this::isResized);
        String rows = resized ? "\n" + config.vocabulary() + " rows" : "";
        return sha256((configSha256() + "\n" + weights + rows + adapted).getBytes(StandardCharsets.UTF_8));
    }

    public DecoderConfig config() {
        return config;
    }

    public Path folder() {
        return folder;
    }

    /** The sharding units, in the order of the forward pass. */
    @Override
    public List<UnitOutline> units() {
        return units;
    }

    /** The dtype that one of the model's own parameters has in its folder; F32 where it is drawn. */
    public String storedType(String parameter) {
        return files.map(f -> f.entry(origin(parameter)).dtype().name()).orElse(StoredType.F32.name());
    }

    @Override
    public void copyInto(String parameter, long from, long until, Tensor target) {
        if (adapterProvides(parameter)) {
            adapter.orElseThrow().copyInto(parameter, from, until, target);
            return;
        }
        String origin = origin(parameter);
        if (files.isEmpty()) {
            new DecoderInitialization(config)
                    .draw(seed, new Part(origin, outline(origin).elements(), from, until), target);
            return;
        }
        if (isResized(outline(parameter))) {
            addedRows.orElseThrow().copyInto(origin, from, until, target);
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            StagedCopy.copy(files.get().range(origin, from, until), target);
        }
    }

    /** Whether the folder has only the first rows of a parameter. */
    private boolean isResized(ParameterOutline parameter) {
        return files.filter(weights -> weights.names().contains(origin(parameter.name())))
                .filter(weights -> weights.entry(origin(parameter.name())).elements() < parameter.elements())
                .isPresent();
    }

    private ParameterOutline outline(String parameter) {
        return units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(outline -> outline.name().equals(parameter))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("the model has no parameter " + parameter));
    }

    /** The name in the folder of where a parameter comes from. */
    private String origin(String parameter) {
        return untied && parameter.equals(config.headWeight()) ? config.embeddingWeight() : parameter;
    }

    /**
     * The model over parameters that somebody else owns.
     *
     * @param units told when the parameters of each are used
     */
    public Decoder model(Function<String, Parameter> parameters, Units units) {
        Adapters adapters =
                adapter.map(source -> source.adapter().over(parameters)).orElse(Adapters.NONE);
        return new Decoder(config, parameters, units, adapters, fp8);
    }

    /** Likewise, without its adapter, none of whose parameters is asked for. */
    public Decoder base(Function<String, Parameter> parameters, Units units) {
        return new Decoder(config, parameters, units, Adapters.NONE, fp8);
    }

    @Override
    public void close() {
        adapter.ifPresent(AdapterSource::close);
        files.ifPresent(ModelFiles::close);
    }

    private boolean adapterProvides(String parameter) {
        return adapter.isPresent() && adapter.get().provides(parameter);
    }

    private static DecoderConfig config(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new UncheckedIOException(new NoSuchFileException(
                    folder.toString(), null, "is not a folder; a model folder has a config.json"));
        }
        if (AdapterSource.isIn(folder) && Files.notExists(folder.resolve("config.json"))) {
            throw new InvalidModelException(
                    Reason.MISMATCH,
                    folder,
                    "holds an adapter without its model: name the model's folder, and this one as its adapter"
                            + " (--adapter, or model.adapter.path), or merge them (chorale export --merge)");
        }
        return Families.read(ConfigJson.read(folder));
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }

    private void checkWeights(ModelFiles weights) {
        StringBuilder problems = new StringBuilder();
        Set<String> expected = new HashSet<>();
        for (UnitOutline unit : units) {
            for (ParameterOutline parameter : unit.parameters()) {
                expected.add(parameter.name());
                problems.append(problem(weights, parameter));
            }
        }
        for (String name : weights.names()) {
            if (!expected.contains(name) && !isKnownExtra(name)) {
                problems.append("\n  ").append(name).append(": config.json does not ask for it");
            }
        }
        if (!problems.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH, folder, "the weights are not what config.json asks for:" + problems);
        }
    }

    private static String problem(ModelFiles weights, ParameterOutline parameter) {
        if (!weights.names().contains(parameter.name())) {
            return "\n  " + parameter.name() + ": is missing, must be " + parameter.shape();
        }
        TensorEntry entry = weights.entry(parameter.name());
        if (!entry.shape().equals(parameter.shape())) {
            return "\n  %s: has shape %s, must be %s".formatted(parameter.name(), entry.shape(), parameter.shape());
        }
        if (!WEIGHT_TYPES.contains(entry.dtype())) {
            return "\n  %s: has dtype %s, must be F32, BF16, F16 or F64".formatted(parameter.name(), entry.dtype());
        }
        return "";
    }

    /** What Transformers passes over too: constants that old releases saved, and the second copy of a tied head. */
    private boolean isKnownExtra(String name) {
        return CONSTANTS.stream().anyMatch(name::endsWith) || (config.tied() && name.equals(config.headWeight()));
    }
}
