// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Where a shared library would be taken from: in the order of JavaCPP, which loads most of them itself, and the loader. */
final class LibrarySearch {
    /** In the jars of Bytedeco's that bring CUDA's own libraries along. */
    private static final String IN_JARS = "/org/bytedeco/cuda/linux-x86_64/";

    /** Where CUDA's installer puts them, known to libtorch and JavaCPP. */
    private static final List<String> CUDA_FOLDERS = List.of(
            "/usr/local/cuda-13.1/lib64",
            "/usr/local/cuda-13.1/extras/CUPTI/lib64",
            "/usr/local/cuda/lib64",
            "/usr/local/cuda/extras/CUPTI/lib64",
            "/usr/lib64");

    private final Machine machine;
    private final Map<String, String> cache;

    LibrarySearch(Machine machine) {
        this.machine = machine;
        this.cache = LoaderCache.read(machine.at("/etc/ld.so.cache"));
    }

    /** Its path, or that of the resource that it is unpacked from. */
    Optional<String> find(String name) {
        return Stream.of(
                        folders(machine.property("java.library.path")),
                        folders(machine.environment().getOrDefault("LD_LIBRARY_PATH", "")),
                        CUDA_FOLDERS.stream())
                .flatMap(folders -> folders)
                .map(folder -> folder + "/" + name)
                .filter(this::isFile)
                .findFirst()
                .or(() -> Optional.ofNullable(cache.get(name)).filter(this::isFile))
                .or(() -> Optional.of(IN_JARS + name).filter(machine.onClassPath()));
    }

    /** An empty entry would be the current folder, which is nobody's intention. */
    private static Stream<String> folders(String path) {
        return Stream.of(path.split(":", -1)).filter(folder -> folder.startsWith("/"));
    }

    private boolean isFile(String path) {
        Path file = machine.at(path);
        return Files.isRegularFile(file) && Files.isReadable(file);
    }
}
