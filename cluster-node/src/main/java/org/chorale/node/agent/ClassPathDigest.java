// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipFile;

/**
 * One text for all that is on a class path: SHA-256 over names, sizes and CRC-32s of the files in it, in the order of the
 * path. Of a jar they stand in its directory, so that gigabytes of native code need not be read; folders that hold the jars
 * may differ. It finds nodes that were installed differently, and is no defence against whoever forges a jar.
 */
final class ClassPathDigest {
    private final MessageDigest digest;

    private ClassPathDigest() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    static String of(String classPath) {
        ClassPathDigest all = new ClassPathDigest();
        Stream.of(classPath.split(File.pathSeparator, -1))
                .filter(entry -> !entry.isEmpty()) // the current folder, which is any
                .forEach(entry -> all.add(Path.of(entry)));
        return HexFormat.of().formatHex(all.digest.digest());
    }

    /** What does not exist is on no class path. */
    private void add(Path entry) {
        try {
            if (Files.isDirectory(entry)) {
                addFolder(entry);
            } else if (Files.exists(entry)) {
                addJar(entry);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(entry + " on the class path cannot be read", e);
        }
    }

    private void addJar(Path jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            zip.stream().forEach(file -> add(file.getName(), file.getSize(), file.getCrc()));
        }
    }

    private void addFolder(Path folder) throws IOException {
        List<Path> files;
        try (Stream<Path> tree = Files.walk(folder)) {
            files = tree.filter(Files::isRegularFile).sorted().toList();
        }
        for (Path file : files) {
            byte[] bytes = Files.readAllBytes(file);
            CRC32 checksum = new CRC32();
            checksum.update(bytes);
            add(folder.relativize(file).toString(), bytes.length, checksum.getValue());
        }
    }

    private void add(String name, long bytes, long checksum) {
        digest.update("%s %d %08x\n".formatted(name, bytes, checksum).getBytes(StandardCharsets.UTF_8));
    }
}
