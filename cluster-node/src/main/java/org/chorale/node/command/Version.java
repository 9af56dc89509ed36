// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints: the release, and what it runs on. */
final class Version implements IVersionProvider {
    private static final String RESOURCE = "version.properties"; // filled in by the build

    @Override
    public String[] getVersion() throws IOException {
        Properties build = new Properties();
        try (InputStream in = Version.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IOException(RESOURCE + " is missing from the program");
            }
            build.load(in);
        }
        return new String[] {
            "Chorale " + build.getProperty("version"),
            "Java " + Runtime.version() + ", libtorch " + build.getProperty("pytorch"),
        };
    }
}
