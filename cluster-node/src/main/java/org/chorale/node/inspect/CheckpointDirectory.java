// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StoredTensor;

/**
 * A checkpoint, every byte of which was read and compared with its manifest.
 *
 * @param defects a line each; none in a whole one
 */
record CheckpointDirectory(Checkpoint checkpoint, List<String> defects) implements Description {
    static CheckpointDirectory read(Path folder) {
        Checkpoint checkpoint = Checkpoint.read(folder);
        return new CheckpointDirectory(checkpoint, checkpoint.defects());
    }

    @Override
    public List<String> lines() {
        CheckpointManifest manifest = checkpoint.manifest();
        List<String> lines = new ArrayList<>();
        lines.add(Layout.field("checkpoint", checkpoint.folder()));
        lines.add(Layout.field("step", Layout.count(checkpoint.step())));
        lines.add(Layout.field("generation", manifest.getGeneration()));
        lines.add(Layout.field("world size", manifest.getWorldSize() == 0 ? "not recorded" : manifest.getWorldSize()));
        lines.add(Layout.field("shard group", Layout.count(manifest.getShardGroupSize())));
        lines.add(Layout.field("written by", "Chorale " + manifest.getChoraleVersion()));
        lines.add(Layout.field("bytes", Layout.bytes(checkpoint.bytes())));
        lines.add(Layout.field("whole", defects.isEmpty() ? "yes" : "no"));
        defects.forEach(defect -> lines.add("  " + defect));
        for (ShardFile file : manifest.getFilesList()) {
            lines.add("  rank %d: %s, %d tensors, %s"
                    .formatted(file.getRank(), file.getName(), file.getTensorsCount(), Layout.bytes(file.getBytes())));
        }
        return lines;
    }

    @Override
    public ObjectNode json() {
        CheckpointManifest manifest = checkpoint.manifest();
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("kind", "checkpoint")
                .put("path", checkpoint.folder().toString())
                .put("step", checkpoint.step())
                .put("generation", manifest.getGeneration())
                .put("world_size", manifest.getWorldSize() == 0 ? null : manifest.getWorldSize())
                .put("shard_group_size", manifest.getShardGroupSize())
                .put("chorale_version", manifest.getChoraleVersion())
                .put("bytes", checkpoint.bytes())
                .put("whole", defects.isEmpty());
        defects.forEach(json.putArray("defects")::add);
        ArrayNode files = json.putArray("files");
        manifest.getFilesList().forEach(file -> putFile(files.addObject(), file));
        return json;
    }

    private static void putFile(ObjectNode json, ShardFile file) {
        json.put("rank", file.getRank())
                .put("name", file.getName())
                .put("bytes", file.getBytes())
                .put("sha256", file.getSha256());
        ArrayNode tensors = json.putArray("tensors");
        for (StoredTensor stored : file.getTensorsList()) {
            ObjectNode tensor = tensors.addObject()
                    .put("key", stored.getKey())
                    .put("parameter", stored.getParameter())
                    .put("kind", stored.getKind());
            stored.getShapeList().forEach(tensor.putArray("shape")::add);
            stored.getOffsetList().forEach(tensor.putArray("offset")::add);
            stored.getExtentList().forEach(tensor.putArray("extent")::add);
        }
    }
}
