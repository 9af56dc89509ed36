// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What is compiled: a CUDA source that includes nothing, behind our prelude of element types and vector accesses.
 *
 * @param name of the resource, as the compiler's messages show it
 * @param text with the prelude before it
 * @param definitions macros, such as the element type
 */
record KernelSource(String name, String text, Map<String, String> definitions) {
    private static final String PRELUDE = "prelude.cuh";

    KernelSource {
        definitions = Map.copyOf(definitions);
    }

    /**
     * Reads a resource that lies beside a class.
     *
     * @throws IllegalArgumentException where there is none
     */
    static KernelSource of(Class<?> owner, String resource, Map<String, String> definitions) {
        String text = read(KernelSource.class, PRELUDE) + "\n#line 1 \"" + resource + "\"\n" + read(owner, resource);
        return new KernelSource(resource, text, definitions);
    }

    /**
     * The compiler's options; products and sums are fused, which is its default.
     *
     * @param architecture of the device, such as 90 for compute capability 9.0
     */
    List<String> options(int architecture) {
        List<String> options = new ArrayList<>();
        options.add("--gpu-architecture=sm_" + architecture);
        options.add("--std=c++17");
        options.add("--device-as-default-execution-space");
        new TreeMap<>(definitions).forEach((macro, value) -> options.add("-D" + macro + "=" + value));
        return options;
    }

    /** Names the machine code that a compiler makes of this: 64 hexadecimal digits that change with anything that does. */
    String key(int architecture, String compilerVersion) {
        MessageDigest digest = sha256();
        List<String> parts = new ArrayList<>(options(architecture));
        parts.add(compilerVersion);
        parts.add(text);
        for (String part : parts) {
            digest.update(part.getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0); // no text has it, so that parts do not run into each other
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static String read(Class<?> owner, String resource) {
        try (InputStream in = owner.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalArgumentException("no resource %s beside %s".formatted(resource, owner.getName()));
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("cannot read the resource " + resource, e);
        }
    }
}
