// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * What is asked about a machine.
 *
 * @param root the folder that its absolute paths begin in
 * @param properties of its Java
 * @param cores that this process may use
 * @param onClassPath whether Java finds a resource, whose name begins with a slash
 */
public record Machine(
        Path root, Map<String, String> environment, Properties properties, int cores, Predicate<String> onClassPath) {
    /** Of what the kernel says of itself, all that is read. */
    private static final int LONGEST_TEXT = 1 << 16;

    private static final int MOST_ENTRIES = 4096;

    /** The one that this process runs on. */
    public static Machine ofProcess() {
        return new Machine(
                Path.of("/"),
                System.getenv(),
                System.getProperties(),
                Runtime.getRuntime().availableProcessors(),
                resource -> Machine.class.getResource(resource) != null);
    }

    /** Where something lies whose absolute path is given. */
    Path at(String absolute) {
        return root.resolve(absolute.replaceFirst("^/+", ""));
    }

    /** What a file says; empty where it cannot be read. */
    Optional<String> text(String absolute) {
        try (InputStream file = Files.newInputStream(at(absolute))) {
            return Optional.of(new String(file.readNBytes(LONGEST_TEXT), StandardCharsets.UTF_8));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Names in a folder, in order; none where it cannot be read. */
    List<String> names(String absolute) {
        try (Stream<Path> entries = Files.list(at(absolute))) {
            return entries.limit(MOST_ENTRIES)
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    String property(String name) {
        return properties.getProperty(name, "");
    }
}
