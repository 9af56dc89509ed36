// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.nio.file.Path;

/** A process that opens a run directory, says so, and holds it until it is killed. */
final class LockHolder {
    private LockHolder() {}

    public static void main(String[] arguments) throws IOException {
        Path dir = Path.of(arguments[0]);
        try (RunDirectory directory = RunDirectory.open(dir, RunFixture.conf(dir))) {
            System.out.println("generation " + directory.claimGeneration("a worker"));
            System.out.flush();
            while (System.in.read() >= 0) {
                // holds on until it is killed, or its parent is gone
            }
        }
    }
}
