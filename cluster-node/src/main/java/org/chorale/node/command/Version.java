// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import org.chorale.node.system.Release;
import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints: the release, and what it runs on. */
final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {
            "Chorale " + Release.version(), "Java " + Runtime.version() + ", libtorch " + Release.libtorch(),
        };
    }
}
