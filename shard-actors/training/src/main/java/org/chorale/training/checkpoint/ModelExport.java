// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.AdapterSource;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.ModelFolderWriter;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorSpec;
import org.jspecify.annotations.Nullable;

/**
 * Writes a folder that Transformers or PEFT loads: configuration, weights, and whatever tokenizer files stand beside the
 * original.
 *
 * <p>Weights are stored in the dtype that each has in the model folder, so that a bf16 model stays one; weights that
 * were drawn are stored in fp32.
 *
 * @param source the model that was trained
 * @param weights by name, as exactly as they are known; called inside an open scope
 * @param tokenizer folder with the tokenizer's files, or tokenizer.json itself
 * @param chatTemplate what the model was trained with in place of the tokenizer's own template
 */
public record ModelExport(
        ModelFolder source, Function<String, Tensor> weights, Path tokenizer, Optional<Path> chatTemplate) {
    /** What belongs to a tokenizer; copied as it is. */
    private static final List<String> TOKENIZER_FILES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt");

    /** What Transformers heeds before a template in tokenizer_config.json. */
    private static final String CHAT_TEMPLATE_FILE = "chat_template.jinja";

    private static final String GENERATION_FILE = "generation_config.json";

    private static final String TIED = "tie_word_embeddings";
    private static final String ROWS = "vocab_size";

    /** As config.json names dtypes. */
    private static final Map<StoredType, String> CONFIG_DTYPES = Map.of(
            StoredType.F64, "float64",
            StoredType.F32, "float32",
            StoredType.BF16, "bfloat16",
            StoredType.F16, "float16");

    private static final JsonMapper MAPPER = new JsonMapper();

    /** Of the weights that a model folder holds itself. */
    public static ModelExport of(ModelFolder source, Path tokenizer) {
        return new ModelExport(source, name -> first(source, name), tokenizer, Optional.empty());
    }

    /**
     * Of the weights of a checkpoint; what was not trained comes from the model folder. The checkpoint stays open until
     * the export is written.
     *
     * @throws InvalidModelException where the folder is not the one that the run trained
     */
    public static ModelExport of(ModelFolder source, CheckpointWeights checkpoint, Path tokenizer) {
        refuseAnotherModel(source, checkpoint);
        return new ModelExport(
                source,
                name -> checkpoint.has(name) ? checkpoint.tensor(name) : first(source, name),
                tokenizer,
                Optional.empty());
    }

    private static void refuseAnotherModel(ModelFolder source, CheckpointWeights checkpoint) {
        Problems problems = new Problems();
        Optional<String> base = checkpoint.base().filter(other -> !other.equals(source.fingerprint()));
        base.ifPresent(other ->
                problems.add("it began with a folder of fingerprint %s, now it is %s", other, source.fingerprint()));
        parameters(source)
                .filter(parameter -> checkpoint.has(parameter.name()))
                .filter(parameter -> !checkpoint.shape(parameter.name()).equals(parameter.shape()))
                .forEach(parameter -> problems.add(
                        "%s: it was %s, now it is %s",
                        parameter.name(), checkpoint.shape(parameter.name()), parameter.shape()));
        if (!problems.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH,
                    source.folder(),
                    "is not what the run of %s trained:".formatted(checkpoint.folder()) + problems.text());
        }
    }

    /** The same with the template of a run's {@code data.chat.template}, so that the model is asked as it was trained. */
    public ModelExport chattingBy(Optional<Path> template) {
        return new ModelExport(source, weights, tokenizer, template);
    }

    /** Writes what a run has trained: the adapter as PEFT would save it, or else the whole model. */
    public void write(Path out) {
        source.adapter()
                .ifPresentOrElse(adapter -> writeAdapter(adapter, out), () -> writeModel(Optional.empty(), out));
    }

    /** In fp32: what was trained is little, and its small changes count. What was not stays in the base's dtype. */
    private void writeAdapter(AdapterSource adapter, Path out) {
        NewFolder.create(out, folder -> {
            try (TensorScope scope = new TensorScope()) {
                adapter.write(
                        folder,
                        name -> weights.apply(name)
                                .to(adapterType(adapter, name).scalarType().orElseThrow())
                                .contiguous());
            }
            copyTokenizer(folder);
        });
    }

    private StoredType adapterType(AdapterSource adapter, String name) {
        return adapter.adapter().isKeptBase(name) ? StoredType.valueOf(source.storedType(name)) : StoredType.F32;
    }

    /**
     * Writes the whole model, into which an adapter is merged; {@code out} appears whole or not at all.
     *
     * @param dtype of all weights; where empty, that of each in the model folder
     */
    public void writeModel(Optional<StoredType> dtype, Path out) {
        NewFolder.create(out, folder -> {
            Map<String, TensorSpec> specs = specs(dtype);
            ModelFolderWriter.write(
                    folder, List.copyOf(specs.values()), name -> as(source.merged(name, weights), specs.get(name)));
            writeConfig(folder.resolve("config.json"), specs);
            copy(source.folder().resolve(GENERATION_FILE), folder.resolve(GENERATION_FILE));
            copyTokenizer(folder);
        });
    }

    private Map<String, TensorSpec> specs(Optional<StoredType> dtype) {
        Map<String, TensorSpec> specs = new LinkedHashMap<>();
        parameters(source).filter(this::isOfTheModel).forEach(parameter -> {
            String name = parameter.name();
            StoredType type = dtype.orElseGet(() -> StoredType.valueOf(source.storedType(name)));
            specs.put(name, new TensorSpec(name, type, parameter.shape()));
        });
        return specs;
    }

    private boolean isOfTheModel(ParameterOutline parameter) {
        return source.adapter()
                .filter(adapter -> adapter.adapter().isOwn(parameter.name()))
                .isEmpty();
    }

    private static Tensor as(Tensor weight, @Nullable TensorSpec spec) {
        return weight.to(Objects.requireNonNull(spec).dtype().scalarType().orElseThrow())
                .contiguous();
    }

    private static Tensor first(ModelFolder source, String name) {
        ParameterOutline parameter = parameters(source)
                .filter(outline -> outline.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("the model has no parameter " + name));
        Tensor flat = HostTensors.empty(ScalarType.Float, parameter.elements());
        source.copyInto(name, 0, parameter.elements(), flat);
        return flat.view(parameter.shape().stream().mapToLong(Long::longValue).toArray());
    }

    private static Stream<ParameterOutline> parameters(ModelFolder source) {
        return source.units().stream().flatMap(unit -> unit.parameters().stream());
    }

    /**
     * The original's, with the dtype of the weights as they are now, where they have one in common; Transformers 4 called
     * the key torch_dtype.
     */
    private void writeConfig(Path file, Map<String, TensorSpec> specs) throws IOException {
        ObjectNode config = (ObjectNode) ConfigJson.read(source.folder()).root();
        if (config.path(TIED).asBoolean(false) != source.config().tied()) {
            config.put(TIED, source.config().tied());
        }
        if (config.path(ROWS).asLong() != source.config().vocabulary()) {
            config.put(ROWS, source.config().vocabulary());
        }
        List<StoredType> types =
                specs.values().stream().map(TensorSpec::dtype).distinct().toList();
        if (types.size() == 1) {
            config.put(config.has("torch_dtype") ? "torch_dtype" : "dtype", CONFIG_DTYPES.get(types.get(0)));
        }
        Files.writeString(file, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n");
    }

    private void copyTokenizer(Path folder) throws IOException {
        Path from = Files.isDirectory(tokenizer) ? tokenizer : tokenizer.resolveSibling(".");
        for (String name : TOKENIZER_FILES) {
            copy(from.resolve(name), folder.resolve(name));
        }
        Path template = folder.resolve(CHAT_TEMPLATE_FILE);
        if (chatTemplate.isPresent()) {
            Files.copy(chatTemplate.get(), template);
        } else {
            copy(from.resolve(CHAT_TEMPLATE_FILE), template);
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        if (Files.isRegularFile(from)) {
            Files.copy(from, to);
        }
    }
}
