// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.io.File;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What is on a class path, by who has put it there.
 *
 * @param own Chorale and what it uses, which all nodes of a cluster have in common
 * @param users what users have added, which may differ where no run needs it
 */
record ClassPath(List<Path> own, List<Path> users) {
    /** What the launcher puts behind Chorale's own jars. */
    private static final String ADDED = "CHORALE_CLASS_PATH";

    private static final String ALL_JARS = "*";

    ClassPath {
        own = List.copyOf(own);
        users = List.copyOf(users);
    }

    static ClassPath ofThisProcess() {
        return of(
                System.getProperty("java.class.path"),
                Optional.ofNullable(System.getenv(ADDED)).orElse(""));
    }

    /**
     * @param all with the jars of each {@code folder/*} in the place of it, as Java has it
     * @param added a part of it, as the user wrote it
     */
    static ClassPath of(String all, String added) {
        List<Path> users = entries(added).toList();
        return new ClassPath(
                entries(all).filter(entry -> !isAmong(users, entry)).toList(),
                entries(all).filter(entry -> isAmong(users, entry)).toList());
    }

    /** An empty entry is the current folder, which is any. */
    private static Stream<Path> entries(String classPath) {
        return Stream.of(classPath.split(File.pathSeparator, -1))
                .filter(entry -> !entry.isEmpty())
                .map(Path::of);
    }

    private static boolean isAmong(List<Path> users, Path entry) {
        return users.contains(entry)
                || Optional.ofNullable(entry.getParent())
                        .map(folder -> folder.resolve(ALL_JARS))
                        .filter(users::contains)
                        .isPresent();
    }
}
