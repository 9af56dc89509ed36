// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.document;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.chorale.proto.config.ConfigReader;
import org.junit.jupiter.api.Test;

final class ReferenceDocumentsTest {
    private static final Path FOLDER = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "reference");

    private static final String REWRITE =
            "./mvnw test -pl cluster-node -am -Dtest=ReferenceDocumentsTest -Dsurefire.failIfNoSpecifiedTests=false"
                    + " -Dchorale.documents=rewrite";

    @Test
    void theTableOfKeysIsUpToDate() throws IOException {
        check("keys.md", KeysDocument.of(ConfigReader.defaults()));
    }

    @Test
    void theTableOfErrorsIsUpToDate() throws IOException {
        check("errors.md", ErrorsDocument.text());
    }

    @Test
    void theTableOfFeaturesIsUpToDate() throws IOException {
        check("features.md", FeaturesDocument.text());
    }

    private static void check(String name, String text) throws IOException {
        Path file = FOLDER.resolve(name);
        if ("rewrite".equals(System.getProperty("chorale.documents"))) {
            Files.createDirectories(FOLDER);
            Files.writeString(file, text);
        }
        assertThat(file).as("missing; this writes it: " + REWRITE).exists();
        assertThat(Files.readString(file))
                .as("%s is out of date; this rewrites it: %s", file, REWRITE)
                .isEqualTo(text);
    }
}
