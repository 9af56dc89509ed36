// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.model.outline.ConfigJson;
import org.chorale.tensor.safetensors.ModelFolderWriter;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.shard.ModelShard;

/**
 * Writes a folder that Transformers loads: config.json, weights, and whatever tokenizer files stand beside the original.
 */
public final class ModelExport {
    /** What belongs to a tokenizer; copied as it is. */
    private static final List<String> TOKENIZER_FILES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
            "chat_template.jinja");

    private static final String GENERATION_FILE = "generation_config.json";

    private static final JsonMapper MAPPER = new JsonMapper();

    private ModelExport() {}

    /**
     * Exports the weights that a shard holds; {@code out} appears whole or not at all.
     *
     * @param tokenizer folder with the tokenizer's files, or tokenizer.json itself
     */
    public static void write(ModelFolder source, ModelShard shard, Path tokenizer, Path out) {
        write(source, name -> shard.parameter(name).value(), tokenizer, out);
    }

    /** Exports the weights of a checkpoint's file; {@code out} appears whole or not at all. */
    public static void fromCheckpoint(Path modelFolder, Path checkpointFile, Path tokenizer, Path out) {
        try (ModelFolder source = ModelFolder.random(modelFolder, 0);
                SafetensorsFile stored = SafetensorsFile.open(checkpointFile)) {
            write(source, stored::tensor, tokenizer, out);
        }
    }

    private static void write(ModelFolder source, Function<String, Tensor> weights, Path tokenizer, Path out) {
        Path absolute = out.toAbsolutePath();
        Path unfinished = absolute.resolveSibling("." + absolute.getFileName() + ".unfinished");
        try {
            if (Files.exists(absolute)) {
                throw new FileAlreadyExistsException(
                        absolute.toString(), null, "name a folder that does not exist yet");
            }
            delete(unfinished);
            Files.createDirectories(unfinished);
            fill(unfinished, source, weights, Files.isDirectory(tokenizer) ? tokenizer : parent(tokenizer));
            sync(unfinished);
            Files.move(unfinished, absolute, StandardCopyOption.ATOMIC_MOVE);
            sync(parent(absolute));
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": could not be written: " + e, e);
        } finally {
            deleteWithoutFail(unfinished);
        }
    }

    private static void fill(Path folder, ModelFolder source, Function<String, Tensor> weights, Path tokenizer)
            throws IOException {
        ModelFolderWriter.write(folder, specs(source), weights);
        writeConfig(source, folder.resolve("config.json"));
        sync(folder.resolve("config.json"));
        copy(source.folder().resolve(GENERATION_FILE), folder.resolve(GENERATION_FILE));
        for (String name : TOKENIZER_FILES) {
            copy(tokenizer.resolve(name), folder.resolve(name));
        }
    }

    private static Path parent(Path path) {
        return Objects.requireNonNull(path.toAbsolutePath().getParent(), () -> path + " has no folder");
    }

    /** Makes a file's bytes, or a folder's names, survive a power cut. */
    private static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static List<TensorSpec> specs(ModelFolder source) {
        return source.units().stream()
                .flatMap(unit -> unit.parameters().stream())
                .map(parameter -> new TensorSpec(parameter.name(), StoredType.F32, parameter.shape()))
                .toList();
    }

    /** The original's, with the dtype of the weights as they are now; Transformers 4 called the key torch_dtype. */
    private static void writeConfig(ModelFolder source, Path file) throws IOException {
        ObjectNode config = (ObjectNode) ConfigJson.read(source.folder()).root();
        config.put(config.has("torch_dtype") ? "torch_dtype" : "dtype", "float32");
        Files.writeString(file, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n");
    }

    private static void copy(Path from, Path to) throws IOException {
        if (Files.isRegularFile(from)) {
            Files.copy(from, to);
            sync(to);
        }
    }

    /** After a success there is nothing to delete; after a failure, that failure is what counts. */
    private static void deleteWithoutFail(Path folder) {
        try {
            delete(folder);
        } catch (IOException e) {
            // The next export to the same place tries again, and says why it cannot.
        }
    }

    /** What an export that failed or was killed has left. */
    private static void delete(Path folder) throws IOException {
        if (Files.notExists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
