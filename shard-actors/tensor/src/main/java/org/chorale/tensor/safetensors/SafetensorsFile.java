// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import com.google.errorprone.annotations.MustBeClosed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * An open safetensors file that hands out its tensors over a mapping of the file, without a copy. Used by one thread at
 * a time.
 *
 * <p>A tensor shares the mapping's storage, so it stays valid until it is itself freed, also after the file was
 * closed; the mapping goes with the last of them. The mapping is private: writing into a tensor changes the
 * process's memory and never the file. Whoever shortens a mapped file kills the processes that read it (SIGBUS);
 * replace files by renaming, as {@link SafetensorsWriter} does.
 */
public final class SafetensorsFile implements AutoCloseable {
    private final SafetensorsHeader header;
    private @Nullable Tensor mapping; // [file bytes] uint8, from the first tensor that is asked for
    private boolean closed;

    private SafetensorsFile(SafetensorsHeader header) {
        this.header = header;
    }

    /**
     * Reads and checks the whole header. The file is mapped when the first tensor is asked for.
     *
     * @throws InvalidFileException where a rule of the format is broken, or the file is of another format
     * @throws MissingFileException where there is no such file, or it may not be read
     */
    @MustBeClosed
    public static SafetensorsFile open(Path file) {
        return new SafetensorsFile(SafetensorsHeader.read(file));
    }

    public SafetensorsHeader header() {
        return header;
    }

    /** The tensors, in the order of their bytes. */
    public List<TensorEntry> entries() {
        return header.entries();
    }

    /** The free text that the writer left. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /** @throws InvalidFileException where the file has no tensor of this name */
    public TensorEntry entry(String name) {
        return header.find(name)
                .orElseThrow(() -> new InvalidFileException(header.file(), name, "is not in this file"));
    }

    /**
     * Hands out a tensor. It belongs to the caller's innermost {@link PointerScope}; where none is open, the caller
     * closes it. A tensor whose bytes do not lie at a multiple of its element size is copied, every other one is a
     * view.
     *
     * @throws InvalidFileException where the file has no such tensor, libtorch has no such type, or the file was
     *     changed
     */
    public Tensor tensor(String name) {
        TensorEntry entry = entry(name);
        long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
        try (Tensor elements = elements(entry, 0, entry.elements())) {
            return elements.view(shape); // outside of our own scope, so that it enters the caller's
        }
    }

    /**
     * Hands out a part of a tensor, as {@link #tensor} does the whole; nothing else of the file is read.
     *
     * @param from first element, counted in row-major order
     * @param until end of the part
     * @return [until - from]
     */
    public Tensor range(String name, long from, long until) {
        TensorEntry entry = entry(name);
        Objects.checkFromToIndex(from, until, entry.elements());
        try (Tensor elements = elements(entry, from, until)) {
            return elements.view(until - from);
        }
    }

    /** Frees this file's hold on the mapping; tensors that were handed out stay valid. */
    @Override
    public void close() {
        closed = true;
        if (mapping != null) {
            mapping.close();
            mapping = null;
        }
    }

    /** [until - from] of the right type; the caller frees it. */
    private Tensor elements(TensorEntry entry, long from, long until) {
        ScalarType type = entry.dtype()
                .scalarType()
                .orElseThrow(() -> new InvalidFileException(
                        header.file(),
                        entry.name(),
                        "libtorch has no type for " + entry.dtype() + ", so it cannot be read"));
        try (PointerScope scope = new PointerScope()) {
            long elementBytes = entry.dtype().bits() / Byte.SIZE; // whole bytes, as in all of libtorch's types
            long begin = header.dataBegin() + entry.begin() + from * elementBytes;
            Tensor bytes = mapping().narrow(0, begin, (until - from) * elementBytes);
            return (begin % elementBytes == 0 ? bytes : bytes.clone())
                    .view(type)
                    .retainReference();
        }
    }

    private Tensor mapping() {
        if (closed) {
            throw new IllegalStateException(header.file() + " is closed");
        }
        if (mapping == null) {
            mapping = map();
        }
        return mapping;
    }

    private Tensor map() {
        try (PointerScope scope = new PointerScope()) {
            Tensor mapped = torch.from_file(
                    header.file().toString(),
                    new BoolOptional(false),
                    new LongOptional(header.fileBytes()),
                    new TensorOptions(ScalarType.Byte));
            header.checkUnchanged();
            return mapped.retainReference();
        } catch (InvalidFileException | UncheckedIOException e) {
            throw e;
        } catch (RuntimeException e) {
            String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("no reason given");
            throw new UncheckedIOException(new IOException(header.file() + ": could not be mapped: " + reason, e));
        }
    }
}
