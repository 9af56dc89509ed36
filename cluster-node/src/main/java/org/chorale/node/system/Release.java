// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** Which release of Chorale this is, and of libtorch with it, as the build wrote it down. */
public final class Release {
    private static final String RESOURCE = "version.properties";
    private static final Properties BUILD = read();

    private Release() {}

    public static String version() {
        return BUILD.getProperty("version");
    }

    public static String libtorch() {
        return BUILD.getProperty("pytorch");
    }

    private static Properties read() {
        Properties build = new Properties();
        try (InputStream in = Release.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException(RESOURCE + " is missing from the program");
            }
            build.load(in);
            return build;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
