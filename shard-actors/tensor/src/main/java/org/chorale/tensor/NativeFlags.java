// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * The JVM flags that native memory relies on. {@code deploy/chorale} sets them; an application that embeds Chorale has to
 * set them itself, because JavaCPP reads them once, when its first class loads.
 */
public final class NativeFlags {
    private static final Map<String, String> NEEDED = Map.of(
            "org.bytedeco.javacpp.nopointergc", "true", // owners free memory; the collector would only slow every call
            "org.bytedeco.javacpp.maxBytes", "0", // the default cap of 4 times the heap ends a healthy trainer
            "org.bytedeco.javacpp.maxPhysicalBytes", "0");

    private NativeFlags() {}

    /** The flags that are missing, as they would stand on the command line; empty where all is well. */
    public static List<String> missing(Properties properties) {
        return NEEDED.entrySet().stream()
                .filter(flag -> !flag.getValue().equals(properties.getProperty(flag.getKey())))
                .map(flag -> "-D" + flag.getKey() + "=" + flag.getValue())
                .sorted()
                .toList();
    }
}
