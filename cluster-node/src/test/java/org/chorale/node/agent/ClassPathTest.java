// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ClassPathTest {
    @TempDir
    Path folder;

    @Test
    void whatUsersHaveAddedIsToldFromWhatIsChorales() {
        assertThat(ClassPath.of("/c/lib/a.jar:/c/lib/b.jar:/my/x.jar:/my/classes", "/my/x.jar:/my/classes"))
                .isEqualTo(new ClassPath(paths("/c/lib/a.jar", "/c/lib/b.jar"), paths("/my/x.jar", "/my/classes")));
    }

    @Test
    void aFoldersJarsAreAddedByAStar() {
        assertThat(ClassPath.of("/c/lib/a.jar:/my/lib/x.jar:/my/lib/y.jar:/my/other.jar", "/my/lib/*"))
                .isEqualTo(
                        new ClassPath(paths("/c/lib/a.jar", "/my/other.jar"), paths("/my/lib/x.jar", "/my/lib/y.jar")));
    }

    @Test
    void whereNothingIsAddedAllIsChorales() {
        assertThat(ClassPath.of("/c/lib/a.jar::classes", ""))
                .isEqualTo(new ClassPath(paths("/c/lib/a.jar", "classes"), List.of()));
    }

    @Test
    void neitherTheOrderNorTheNamesOfJarsCountButWhatIsInThemDoes() throws IOException {
        Path first = jar("first.jar", "A.class", "a");
        Path second = jar("second.jar", "B.class", "b");
        String digest = ClassPathDigest.of(List.of(first, second));

        assertThat(ClassPathDigest.of(List.of(second, jar("renamed.jar", "A.class", "a"))))
                .isEqualTo(digest);
        assertThat(ClassPathDigest.of(List.of(first, second, folder.resolve("missing.jar"))))
                .isEqualTo(digest);
        assertThat(List.of(
                        ClassPathDigest.of(List.of(first)),
                        ClassPathDigest.of(List.of(first, jar("other.jar", "B.class", "c"))),
                        ClassPathDigest.of(List.of(first, second, jar("more.jar", "C.class", "c")))))
                .doesNotContain(digest);
    }

    @Test
    void aFolderCountsByItsFiles() throws IOException {
        Path classes = Files.createDirectories(folder.resolve("classes/shop"));
        Files.writeString(classes.resolve("Gloves.class"), "one");
        String digest = ClassPathDigest.of(List.of(folder.resolve("classes")));
        Files.writeString(classes.resolve("Gloves.class"), "two");

        assertThat(ClassPathDigest.of(List.of(folder.resolve("classes")))).isNotEqualTo(digest);
    }

    private Path jar(String name, String entry, String content) throws IOException {
        Path jar = folder.resolve(name);
        try (OutputStream out = Files.newOutputStream(jar);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry(entry));
            zip.write(content.getBytes(StandardCharsets.UTF_8));
        }
        return jar;
    }

    private static List<Path> paths(String... paths) {
        return Stream.of(paths).map(Path::of).toList();
    }
}
