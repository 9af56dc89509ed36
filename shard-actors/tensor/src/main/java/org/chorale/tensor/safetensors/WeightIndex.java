// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A {@code model.safetensors.index.json}: which tensor is in which file of the same folder.
 *
 * <p>Its {@code total_size} is not compared with anything: published folders have wrong ones (tied weights counted
 * twice, folders that were converted), Transformers ignores it, and the true sizes stand in the files' own headers.
 *
 * @param shards file by tensor name, in the index's order; each file exists and lies in the folder
 */
record WeightIndex(Map<String, Path> shards) {
    private static final String WEIGHT_MAP = "weight_map";

    /** @throws InvalidFileException where the index breaks a rule, above all where it leads out of its folder */
    static WeightIndex read(Path index) {
        Map<String, String> weightMap = new LinkedHashMap<>();
        StrictJson json = new StrictJson(index, "the index", readBounded(index));
        json.object("the index", member -> {
            if (member.equals(WEIGHT_MAP)) {
                weightMap.putAll(json.strings(WEIGHT_MAP));
            } else {
                json.skip();
            }
        });
        json.end();
        if (weightMap.isEmpty()) {
            throw json.problem("has no tensor in weight_map; it must map each tensor's name to its file");
        }
        return new WeightIndex(resolve(index, weightMap));
    }

    private static byte[] readBounded(Path index) {
        try {
            if (!Files.isRegularFile(index)) {
                throw new InvalidFileException(index, "is a folder or a device; a JSON file is needed");
            }
            if (Files.size(index) > SafetensorsHeader.MAX_HEADER_BYTES) {
                throw new InvalidFileException(
                        index,
                        "has %d bytes; at most %d are allowed"
                                .formatted(Files.size(index), SafetensorsHeader.MAX_HEADER_BYTES));
            }
            return Files.readAllBytes(index);
        } catch (IOException e) {
            throw MissingFileException.orUnchecked(index, e);
        }
    }

    /** The paths that the names stand for; each name is checked once, however many tensors are in its file. */
    private static Map<String, Path> resolve(Path index, Map<String, String> weightMap) {
        Map<String, Path> checked = new LinkedHashMap<>();
        Map<String, Path> shards = new LinkedHashMap<>();
        weightMap.forEach((tensor, shard) ->
                shards.put(tensor, checked.computeIfAbsent(shard, name -> resolve(index, tensor, name))));
        return shards;
    }

    private static Path resolve(Path index, String tensor, String shard) {
        String printable = InvalidFileException.printable(shard);
        if (ForeignFormat.isPickleName(shard)) {
            throw new InvalidFileException(index, tensor, "its file %s %s".formatted(printable, ForeignFormat.PICKLE));
        }
        boolean plain = shard.chars().noneMatch(c -> c == '/' || c == '\\' || Character.isISOControl(c));
        if (!plain || shard.contains("..") || !shard.endsWith(".safetensors")) {
            throw new InvalidFileException(
                    index,
                    tensor,
                    "its file is %s; it must be the plain name of a .safetensors file in this folder"
                            .formatted(printable));
        }
        Path file = index.resolveSibling(shard);
        checkInside(index, tensor, file);
        return file;
    }

    private static void checkInside(Path index, String tensor, Path file) {
        try {
            Path folder = index.resolveSibling(".").toRealPath();
            Path real = file.toRealPath();
            if (!real.startsWith(folder) && !isHubBlob(folder, real)) {
                throw new InvalidFileException(
                        index, tensor, "its file %s is a link that leads out of this folder".formatted(file));
            }
        } catch (NoSuchFileException e) {
            throw new MissingFileException(
                    "%s: tensor %s: its file %s does not exist"
                            .formatted(index, InvalidFileException.printable(tensor), file),
                    e);
        } catch (IOException e) {
            throw MissingFileException.orUnchecked(file, e);
        }
    }

    /**
     * The Hugging Face cache keeps files as {@code blobs/HASH} and links to them from
     * {@code snapshots/REVISION/NAME}. Such links stay within the one model's folder, so they are the only ones out
     * of a snapshot that are followed.
     */
    private static boolean isHubBlob(Path folder, Path real) {
        Path snapshots = folder.getParent();
        return snapshots != null
                && snapshots.endsWith("snapshots")
                && snapshots.resolveSibling("blobs").equals(real.getParent());
    }
}
