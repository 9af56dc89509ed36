// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads the JSON of one header and checks every rule that it can break, alone and against the file's length. */
final class HeaderParser {
    static final String METADATA = "__metadata__";

    private final Path file;
    private final StrictJson json;
    private final List<TensorEntry> entries = new ArrayList<>();
    private Map<String, String> metadata = Map.of();

    HeaderParser(Path file, byte[] utf8) {
        this.file = file;
        this.json = new StrictJson(file, "the header", utf8);
    }

    Map<String, String> metadata() {
        return metadata;
    }

    /**
     * Reads the header.
     *
     * @param dataBytes bytes that follow the header
     * @return the tensors in the order of their bytes
     * @throws InvalidFileException at the first rule that is broken
     */
    List<TensorEntry> parse(long dataBytes) {
        // The format says "must begin with {"; other readers let white space pass, and so could disagree on a file.
        if (json.first() != '{') {
            throw json.problem(
                    json.first() == '\uFEFF'
                            ? "the header begins with a byte order mark; it must begin with {"
                            : "the header must begin with {");
        }
        json.object("the header", this::member);
        json.about(null);
        json.end();
        entries.sort(Comparator.comparingLong(TensorEntry::begin).thenComparingLong(TensorEntry::end));
        checkLayout(dataBytes);
        return entries;
    }

    private void member(String name) {
        if (name.equals(METADATA)) {
            json.about(null);
            metadata = json.strings(METADATA);
        } else {
            json.about(name);
            entries.add(tensor(name));
            json.about(null);
        }
    }

    private TensorEntry tensor(String name) {
        Fields fields = new Fields();
        json.object("its description", field -> {
            switch (field) {
                case "dtype" -> fields.dtype = dtype();
                case "shape" -> fields.shape = json.wholeNumbers(field, TensorSpec.MAX_RANK);
                case "data_offsets" -> fields.offsets = json.wholeNumbers(field, 2);
                default ->
                    throw json.problem("has the field %s; only dtype, shape and data_offsets may stand there"
                            .formatted(InvalidFileException.printable(field)));
            }
        });
        return checked(
                name,
                required("dtype", fields.dtype),
                required("shape", fields.shape),
                required("data_offsets", fields.offsets));
    }

    private StoredType dtype() {
        String name = json.string("dtype");
        return StoredType.named(name)
                .orElseThrow(() -> json.problem("dtype %s is unknown; it must be one of %s"
                        .formatted(InvalidFileException.printable(name), Arrays.toString(StoredType.values()))));
    }

    private TensorEntry checked(String name, StoredType dtype, List<Long> shape, List<Long> offsets) {
        if (offsets.size() != 2 || offsets.get(1) < offsets.get(0)) {
            throw json.problem("data_offsets are %s; they must be [begin, end] with begin <= end".formatted(offsets));
        }
        String problem = TensorSpec.problem(dtype, shape);
        if (!problem.isEmpty()) {
            throw json.problem(problem);
        }
        TensorEntry entry = new TensorEntry(name, dtype, shape, offsets.get(0), offsets.get(1));
        long needed = entry.elements() * dtype.bits() / Byte.SIZE;
        if (needed != entry.bytes()) {
            throw json.problem("shape %s of %s takes %d bytes, but data_offsets %s hold %d"
                    .formatted(shape, dtype, needed, offsets, entry.bytes()));
        }
        return entry;
    }

    private <T> T required(String field, @Nullable T value) {
        if (value == null) {
            throw json.problem("has no " + field + "; dtype, shape and data_offsets must stand there");
        }
        return value;
    }

    /** The tensors' bytes must fill the rest of the file from its first to its last byte, without hole or overlap. */
    private void checkLayout(long dataBytes) {
        long end = 0;
        for (TensorEntry entry : entries) {
            if (entry.begin() != end) {
                throw new InvalidFileException(
                        file,
                        entry.name(),
                        "its bytes begin at %d, but those before it end at %d; %s is allowed"
                                .formatted(entry.begin(), end, entry.begin() > end ? "no hole" : "no overlap"));
            }
            if (entry.end() > dataBytes) {
                throw new InvalidFileException(
                        file,
                        entry.name(),
                        "its bytes end at %d, but only %d follow the header; the file is truncated"
                                .formatted(entry.end(), dataBytes));
            }
            end = entry.end();
        }
        if (end != dataBytes) {
            throw new InvalidFileException(
                    file, "%d bytes follow the last tensor; the file must end with it".formatted(dataBytes - end));
        }
    }

    /** What was read of a tensor's description so far. */
    private static final class Fields {
        private @Nullable StoredType dtype;
        private @Nullable List<Long> shape;
        private @Nullable List<Long> offsets;
    }
}
