// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Writes safetensors files from the tensors' own memory. A file appears under its name whole and durable, or not at
 * all: a failure leaves what was there before.
 */
public final class SafetensorsWriter {
    /** What Transformers asks for in the metadata of weights. */
    public static final Map<String, String> DEFAULT_METADATA = Map.of("format", "pt");

    /** Bytes that are digested and written at once, while they are in the cache. */
    private static final int CHUNK_BYTES = 4 << 20;

    private SafetensorsWriter() {}

    /** Writes contiguous CPU tensors with the default metadata. */
    public static WrittenFile write(Path file, Map<String, Tensor> tensors) {
        return write(file, tensors, DEFAULT_METADATA);
    }

    /**
     * Writes contiguous tensors; those of a GPU are copied to the host one by one.
     *
     * @throws IllegalArgumentException where a tensor cannot be stored, before anything is written
     * @throws UncheckedIOException where writing fails
     */
    public static WrittenFile write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
        List<TensorSpec> specs = tensors.entrySet().stream()
                .map(entry -> TensorSpec.of(entry.getKey(), entry.getValue()))
                .toList();
        tensors.forEach(SafetensorsWriter::checkMemory);
        return write(file, specs, name -> requireTensor(name, tensors.get(name)), metadata);
    }

    /**
     * Writes tensors one after the other, so that only one of them need be in memory.
     *
     * @param specs all tensors; their order in the file is the format's, not the list's
     * @param tensors gives each tensor, contiguous, when its turn comes. What it allocates is freed
     *     once the tensor is written: the call happens inside of a {@link PointerScope}
     * @throws IllegalArgumentException where a tensor cannot be stored or is not what its specification says
     * @throws UncheckedIOException where writing fails
     */
    public static WrittenFile write(
            Path file, List<TensorSpec> specs, Function<String, Tensor> tensors, Map<String, String> metadata) {
        checkNames(specs);
        List<TensorSpec> ordered =
                specs.stream().sorted(HeaderWriter.FILE_ORDER).toList();
        try {
            ByteBuffer header = HeaderWriter.encode(ordered, metadata);
            try (AtomicFile output = AtomicFile.create(file)) {
                output.write(header);
                for (TensorSpec spec : ordered) {
                    writeTensor(output, spec, tensors);
                }
                return output.commit();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": could not be written: " + e, e);
        }
    }

    private static void writeTensor(AtomicFile output, TensorSpec spec, Function<String, Tensor> tensors)
            throws IOException {
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor = inHostMemory(requireTensor(spec.name(), tensors.apply(spec.name())));
            TensorSpec actual = TensorSpec.of(spec.name(), tensor);
            if (!actual.equals(spec)) {
                throw new IllegalArgumentException("tensor %s is %s %s; %s %s was announced"
                        .formatted(spec.name(), actual.dtype(), actual.shape(), spec.dtype(), spec.shape()));
            }
            checkMemory(spec.name(), tensor);
            writeMemory(output, tensor, spec.bytes());
        }
    }

    private static void writeMemory(AtomicFile output, Tensor tensor, long bytes) throws IOException {
        BytePointer memory = new BytePointer(tensor.const_data_ptr());
        for (long begin = 0; begin < bytes; begin += CHUNK_BYTES) {
            long size = Math.min(CHUNK_BYTES, bytes - begin);
            output.write(memory.getPointer(begin).capacity(size).asByteBuffer());
        }
    }

    /** Of a GPU's tensor a copy, which lasts until it is written. */
    private static Tensor inHostMemory(Tensor tensor) {
        return tensor.is_cuda() ? tensor.cpu() : tensor;
    }

    private static void checkMemory(String name, Tensor tensor) {
        boolean somewhere = tensor.is_cpu() || tensor.is_cuda();
        if (!somewhere || tensor.is_sparse() || tensor.is_conj() || tensor.is_neg() || !tensor.is_contiguous()) {
            throw new IllegalArgumentException("tensor " + name
                    + " is not contiguous in the memory of the CPU or of a GPU; pass tensor.cpu().contiguous()");
        }
    }

    static void checkNames(List<TensorSpec> specs) {
        Set<String> names = new HashSet<>();
        for (TensorSpec spec : specs) {
            if (!names.add(spec.name())) {
                throw new IllegalArgumentException("tensor " + spec.name() + " is announced twice");
            }
        }
    }

    private static Tensor requireTensor(String name, @Nullable Tensor tensor) {
        if (tensor == null) {
            throw new IllegalArgumentException("tensor " + name + " was announced, but there is none");
        }
        return tensor;
    }
}
