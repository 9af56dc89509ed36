// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * Writes a model's weights as Transformers would: {@code model.safetensors}, or shards and an index where they are
 * larger than one file should be.
 *
 * <p>Weights that were in the folder are replaced in an order that never lets a reader see a mixture: an old index goes
 * before the shards are written and the new one comes after them.
 */
public final class ModelFolderWriter {
    /** Transformers' own default, 5 GB. */
    public static final long DEFAULT_MAX_SHARD_BYTES = 5_000_000_000L;

    /** What this writer makes, and what one that was killed leaves behind. */
    private static final Pattern OURS = Pattern.compile(
            "model(-\\d{5}-of-\\d{5})?\\.safetensors(\\.index\\.json)?|\\.model[^/]*\\.safetensors[^/]*\\.tmp");

    private ModelFolderWriter() {}

    /** Writes the weights with Transformers' default shard size and metadata. */
    public static Map<String, WrittenFile> write(
            Path folder, List<TensorSpec> specs, Function<String, Tensor> tensors) {
        return write(folder, specs, tensors, SafetensorsWriter.DEFAULT_METADATA, DEFAULT_MAX_SHARD_BYTES);
    }

    /**
     * Writes the weights. The folder is created where it does not exist.
     *
     * @param specs all tensors; shards are filled in this order
     * @param tensors as for {@link SafetensorsWriter#write(Path, List, Function, Map)}
     * @param maxShardBytes tensor bytes in one file, at most; a larger tensor has a file of its own
     * @return the files that were written, by name
     */
    public static Map<String, WrittenFile> write(
            Path folder,
            List<TensorSpec> specs,
            Function<String, Tensor> tensors,
            Map<String, String> metadata,
            long maxShardBytes) {
        SafetensorsWriter.checkNames(specs);
        Map<String, List<TensorSpec>> plan = plan(specs, maxShardBytes);
        boolean sharded = plan.size() > 1;
        Map<String, WrittenFile> written = new LinkedHashMap<>();
        try {
            Files.createDirectories(folder);
            if (sharded && Files.deleteIfExists(folder.resolve(ModelFiles.INDEX))) {
                AtomicFile.syncFolder(folder);
            }
            plan.forEach((name, part) ->
                    written.put(name, SafetensorsWriter.write(folder.resolve(name), part, tensors, metadata)));
            if (sharded) {
                written.put(ModelFiles.INDEX, writeIndex(folder.resolve(ModelFiles.INDEX), plan));
            }
            removeOlder(folder, written.keySet());
            return written;
        } catch (IOException e) {
            throw new UncheckedIOException(folder + ": could not be written: " + e, e);
        }
    }

    private static Map<String, List<TensorSpec>> plan(List<TensorSpec> specs, long maxShardBytes) {
        if (maxShardBytes <= 0) {
            throw new IllegalArgumentException("maxShardBytes is " + maxShardBytes + "; it must be positive");
        }
        List<List<TensorSpec>> parts = new ArrayList<>();
        long room = -1;
        for (TensorSpec spec : specs) {
            if (parts.isEmpty() || spec.bytes() > room) {
                parts.add(new ArrayList<>());
                room = maxShardBytes;
            }
            parts.get(parts.size() - 1).add(spec);
            room -= spec.bytes();
        }
        if (parts.size() <= 1) {
            return Map.of(ModelFiles.SINGLE, specs);
        }
        Map<String, List<TensorSpec>> plan = new LinkedHashMap<>();
        parts.forEach(part ->
                plan.put("model-%05d-of-%05d.safetensors".formatted(plan.size() + 1, parts.size()), part));
        return plan;
    }

    private static WrittenFile writeIndex(Path index, Map<String, List<TensorSpec>> plan) throws IOException {
        long totalBytes = plan.values().stream()
                .flatMap(List::stream)
                .mapToLong(TensorSpec::bytes)
                .sum();
        Map<String, String> weightMap = new TreeMap<>();
        plan.forEach((file, part) -> part.forEach(spec -> weightMap.put(spec.name(), file)));
        Map<String, Object> content = new LinkedHashMap<>();
        content.put("metadata", Map.of("total_size", totalBytes));
        content.put("weight_map", weightMap);
        String json =
                new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(content);
        try (AtomicFile output = AtomicFile.create(index)) {
            output.write(ByteBuffer.wrap((json + "\n").getBytes(StandardCharsets.UTF_8)));
            return output.commit();
        }
    }

    /**
     * Removes weights of an earlier model, which readers might prefer to the new ones, and what killed writers
     * left.
     */
    private static void removeOlder(Path folder, Set<String> current) throws IOException {
        List<Path> older;
        try (Stream<Path> listing = Files.list(folder)) {
            older = listing.filter(file -> {
                        String name = file.getFileName().toString();
                        return OURS.matcher(name).matches() && !current.contains(name);
                    })
                    .toList();
        }
        for (Path file : older) {
            Files.deleteIfExists(file);
        }
        AtomicFile.syncFolder(folder);
    }
}
