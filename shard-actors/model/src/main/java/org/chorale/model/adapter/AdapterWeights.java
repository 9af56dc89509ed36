// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorEntry;

/** PEFT's {@code adapter_model.safetensors}, held against what its configuration and the model ask for. */
final class AdapterWeights implements AutoCloseable {
    static final String NAME = "adapter_model.safetensors";

    /** What PEFT puts before a parameter's name: the wrapper, and the model inside of it. */
    static final String PREFIX = "base_model.model.";

    /** Where PEFT keeps what a wrapped module was before. */
    private static final String BASE_LAYER = ".base_layer.";

    private static final String PICKLE_NAME = "adapter_model.bin";
    private static final Set<StoredType> TYPES =
            Set.of(StoredType.F64, StoredType.F32, StoredType.F16, StoredType.BF16);

    private final SafetensorsFile file;
    private final LoraAdapter adapter;

    private AdapterWeights(SafetensorsFile file, LoraAdapter adapter) {
        this.file = file;
        this.adapter = adapter;
    }

    /** The name in the file of what a unit of the model calls so. */
    static String storedName(LoraAdapter adapter, String parameter) {
        int last = parameter.lastIndexOf('.');
        if (adapter.isOwn(parameter)
                && parameter.startsWith(LoraModule.MAGNITUDE, last - LoraModule.MAGNITUDE.length())) {
            return PREFIX + parameter.substring(0, last);
        }
        return PREFIX
                + (adapter.isKeptBase(parameter)
                        ? parameter.substring(0, last) + BASE_LAYER + parameter.substring(last + 1)
                        : parameter);
    }

    /** Whether the file has a parameter. */
    boolean has(String parameter) {
        return file.header().find(storedName(adapter, parameter)).isPresent();
    }

    /**
     * Opens the file of a folder.
     *
     * @param expected what it must have, but for the base's weight of a head, which PEFT's old releases did not save
     * @throws InvalidModelException where something is missing, too much or of another shape: a line per tensor
     */
    @SuppressWarnings("MustBeClosedChecker") // the weights own the file and close it
    static AdapterWeights open(Path folder, LoraAdapter adapter, List<ParameterOutline> expected) {
        Path path = folder.resolve(NAME);
        if (Files.notExists(path)) {
            throw missing(folder, path);
        }
        SafetensorsFile file = SafetensorsFile.open(path);
        try {
            check(path, file, adapter, expected);
            return new AdapterWeights(file, adapter);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** Copies the elements [from, until) of a parameter into {@code target}, converting to its dtype. */
    void copyInto(String parameter, long from, long until, Tensor target) {
        try (TensorScope scope = new TensorScope()) {
            target.copy_(file.range(storedName(adapter, parameter), from, until));
        }
    }

    /** Of the whole file, in lower-case hexadecimal. */
    String sha256() {
        try (InputStream bytes = Files.newInputStream(file.header().file())) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            bytes.transferTo(new DigestOutputStream(OutputStream.nullOutputStream(), digest));
            return HexFormat.of().formatHex(digest.digest());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    private static RuntimeException missing(Path folder, Path path) {
        if (Files.exists(folder.resolve(PICKLE_NAME))) {
            return new InvalidModelException(
                    Reason.UNSUPPORTED,
                    folder.resolve(PICKLE_NAME),
                    "is a pickle file, which can run code when it is read; save the adapter as " + NAME);
        }
        return new UncheckedIOException(
                new NoSuchFileException(path.toString(), null, "a PEFT adapter's folder has it"));
    }

    private static void check(Path path, SafetensorsFile file, LoraAdapter adapter, List<ParameterOutline> expected) {
        StringBuilder problems = new StringBuilder();
        Set<String> known = new HashSet<>();
        for (ParameterOutline parameter : expected) {
            String name = storedName(adapter, parameter.name());
            known.add(name);
            if (file.header().find(name).isPresent() || !adapter.isKeptBase(parameter.name())) {
                problems.append(problem(file, name, parameter));
            }
        }
        for (TensorEntry entry : file.entries()) {
            if (!known.contains(entry.name())) {
                problems.append("\n  ").append(entry.name()).append(": ").append(AdapterConfigJson.NAME);
                problems.append(" does not ask for it on this model");
            }
        }
        if (!problems.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH,
                    path,
                    "the adapter is not what " + AdapterConfigJson.NAME + " asks for:" + problems);
        }
    }

    private static String problem(SafetensorsFile file, String name, ParameterOutline parameter) {
        TensorEntry entry = file.header().find(name).orElse(null);
        if (entry == null) {
            return "\n  %s: is missing, must be %s".formatted(name, parameter.shape());
        } else if (!entry.shape().equals(parameter.shape())) {
            return "\n  %s: has shape %s, must be %s".formatted(name, entry.shape(), parameter.shape());
        } else if (!TYPES.contains(entry.dtype())) {
            return "\n  %s: has dtype %s, must be F32, BF16, F16 or F64".formatted(name, entry.dtype());
        }
        return "";
    }
}
