// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

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
 * One text for some jars and folders: SHA-256 over the names, sizes and CRC-32s of the files in each. Of a jar they stand in
 * its directory, so that gigabytes of native code need not be read. Neither the jars' names count nor their order, for Java
 * lists the jars of a folder in whatever order the file system has. It finds nodes that were installed differently, and is no
 * defence against whoever forges a jar.
 */
final class ClassPathDigest {
    private final MessageDigest digest = sha256();
    private boolean empty = true;

    private ClassPathDigest() {}

    /** What does not exist is on no class path. */
    static String of(List<Path> entries) {
        MessageDigest all = sha256();
        entries.stream().flatMap(ClassPathDigest::ofEntry).sorted().forEach(entry -> all.update(bytes(entry)));
        return HexFormat.of().formatHex(all.digest());
    }

    private static Stream<String> ofEntry(Path entry) {
        ClassPathDigest files = new ClassPathDigest();
        try {
            if (Files.isDirectory(entry)) {
                files.addFolder(entry);
            } else if (Files.exists(entry)) {
                files.addJar(entry);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(entry + " on the class path cannot be read", e);
        }
        return files.empty ? Stream.of() : Stream.of(HexFormat.of().formatHex(files.digest.digest()));
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
            byte[] content = Files.readAllBytes(file);
            CRC32 checksum = new CRC32();
            checksum.update(content);
            add(folder.relativize(file).toString(), content.length, checksum.getValue());
        }
    }

    private void add(String name, long size, long checksum) {
        empty = false;
        digest.update(bytes("%s %d %08x\n".formatted(name, size, checksum)));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
