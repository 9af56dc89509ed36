// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.chorale.tensor.safetensors.SafetensorsHeader;
import org.chorale.tensor.safetensors.TensorEntry;

/** A safetensors file, as its header describes it. */
record TensorFile(SafetensorsHeader header) implements Description {
    static TensorFile read(Path file) {
        return new TensorFile(SafetensorsHeader.read(file));
    }

    @Override
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(Layout.field("safetensors", header.file()));
        header.metadata().forEach((name, value) -> lines.add(Layout.field("metadata", name + " = " + value)));
        lines.addAll(totals(List.of(header)));
        header.entries().forEach(entry -> lines.add(line(entry)));
        return lines;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("kind", "safetensors")
                .put("path", header.file().toString());
        header.metadata().forEach(json.putObject("metadata")::put);
        putTensors(json, List.of(header));
        return json;
    }

    /** Tensors, elements and bytes over all files. */
    static List<String> totals(Collection<SafetensorsHeader> headers) {
        return List.of(
                Layout.field("tensors", Layout.count(entries(headers).size())),
                Layout.field("elements", Layout.count(elements(headers))),
                Layout.field("tensor bytes", Layout.bytes(bytes(headers))));
    }

    static void putTensors(ObjectNode json, Collection<SafetensorsHeader> headers) {
        json.put("elements", elements(headers)).put("bytes", bytes(headers));
        ArrayNode tensors = json.putArray("tensors");
        for (TensorEntry entry : entries(headers)) {
            ObjectNode tensor = tensors.addObject()
                    .put("name", entry.name())
                    .put("dtype", entry.dtype().name());
            entry.shape().forEach(tensor.putArray("shape")::add);
            tensor.put("bytes", entry.bytes());
        }
    }

    static String line(TensorEntry entry) {
        return String.format(
                Locale.ROOT,
                "  %-8s %-20s %14s  %s",
                entry.dtype(),
                entry.shape(),
                Layout.count(entry.bytes()),
                entry.name());
    }

    private static List<TensorEntry> entries(Collection<SafetensorsHeader> headers) {
        return headers.stream().flatMap(header -> header.entries().stream()).toList();
    }

    private static long elements(Collection<SafetensorsHeader> headers) {
        return entries(headers).stream().mapToLong(TensorEntry::elements).sum();
    }

    private static long bytes(Collection<SafetensorsHeader> headers) {
        return entries(headers).stream().mapToLong(TensorEntry::bytes).sum();
    }
}
