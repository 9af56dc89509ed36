// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import com.google.errorprone.annotations.MustBeClosed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * The weights of one model folder: {@code model.safetensors}, or else the files that
 * {@code model.safetensors.index.json} names. Tensors that a file holds and the index does not list do not exist
 * here, as they do not for Transformers.
 *
 * <p>Opening checks the index and all headers, and needs no native code; tensors live as {@link SafetensorsFile} says.
 */
public final class ModelFiles implements AutoCloseable {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final int SAMPLED_BYTES = 4096;

    private final Map<Path, SafetensorsFile> files = new LinkedHashMap<>();
    private final Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
    private final Path source;

    private ModelFiles(Path source) {
        this.source = source;
    }

    /**
     * Opens a folder's weights.
     *
     * @throws InvalidFileException where the index or a file breaks a rule, or there are only pickle files
     * @throws MissingFileException where the folder, its weights or a file that the index names do not exist
     */
    @MustBeClosed
    public static ModelFiles open(Path folder) {
        Path single = folder.resolve(SINGLE);
        Path index = folder.resolve(INDEX);
        if (Files.exists(single)) { // Transformers prefers it, too
            ModelFiles model = new ModelFiles(single);
            SafetensorsFile file = model.file(single);
            file.entries().forEach(entry -> model.fileOf.put(entry.name(), file));
            return model;
        } else if (Files.exists(index)) {
            ModelFiles model = new ModelFiles(index);
            WeightIndex.read(index).shards().forEach(model::list);
            return model;
        }
        throw noWeights(folder);
    }

    /** The tensors' names, in the order of the file or of the index. */
    public Set<String> names() {
        return Collections.unmodifiableSet(fileOf.keySet());
    }

    /** The files that hold the tensors. */
    public Collection<SafetensorsHeader> headers() {
        return files.values().stream().map(SafetensorsFile::header).toList();
    }

    /**
     * Tells these weights from others of the same shapes without reading them all: SHA-256, in lower-case hexadecimal,
     * over each file's name, length and header and the first {@value #SAMPLED_BYTES} bytes of every tensor.
     */
    public String fingerprint() {
        MessageDigest digest = AtomicFile.sha256();
        files.values().forEach(file -> file.header().sample(SAMPLED_BYTES, digest));
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The tensor's description, if the model has such a tensor. */
    public Optional<TensorEntry> find(String name) {
        return Optional.ofNullable(fileOf.get(name)).map(file -> file.entry(name));
    }

    /** @throws InvalidFileException where the model has no tensor of this name */
    public TensorEntry entry(String name) {
        return holder(name).entry(name);
    }

    /**
     * Hands out a tensor, as {@link SafetensorsFile#tensor} does.
     *
     * @throws InvalidFileException where the model has no tensor of this name
     */
    public Tensor tensor(String name) {
        return holder(name).tensor(name);
    }

    /**
     * Hands out the elements [from, until) of a tensor, as {@link SafetensorsFile#range} does.
     *
     * @throws InvalidFileException where the model has no tensor of this name
     */
    public Tensor range(String name, long from, long until) {
        return holder(name).range(name, from, until);
    }

    @Override
    public void close() {
        files.values().forEach(SafetensorsFile::close);
    }

    private SafetensorsFile holder(String name) {
        SafetensorsFile file = fileOf.get(name);
        if (file == null) {
            throw new InvalidFileException(source, name, "is not in this model");
        }
        return file;
    }

    private void list(String name, Path shard) {
        SafetensorsFile file = file(shard);
        if (file.header().find(name).isEmpty()) {
            throw new InvalidFileException(source, name, "is not in its file " + shard);
        }
        fileOf.put(name, file);
    }

    // The map owns the file. Until its first tensor is asked for a file holds nothing, so a failure to open leaks
    // nothing.
    @SuppressWarnings("MustBeClosedChecker")
    private SafetensorsFile file(Path path) {
        return files.computeIfAbsent(path, SafetensorsFile::open);
    }

    private static RuntimeException noWeights(Path folder) {
        String needed = "%s or %s is needed".formatted(SINGLE, INDEX);
        try (Stream<Path> listing = Files.list(folder)) {
            Optional<Path> pickle = listing.filter(file -> ForeignFormat.isPickleName(file.toString()))
                    .min(Comparator.comparing((Path file) ->
                                    !file.getFileName().toString().startsWith("pytorch_model"))
                            .thenComparing(Comparator.naturalOrder()));
            if (pickle.isPresent()) {
                return new InvalidFileException(pickle.get(), ForeignFormat.PICKLE + "; " + needed);
            }
            return new MissingFileException(
                    "%s: holds no weights; %s".formatted(folder, needed),
                    new NoSuchFileException(folder.resolve(SINGLE).toString()));
        } catch (IOException e) {
            return MissingFileException.orUnchecked(folder, e);
        }
    }
}
