// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.nio.file.Path;

/**
 * A run directory as those see it who only read it.
 *
 * @param runConf the configuration as resolved, in HOCON
 * @param exported whether the result is there, whole
 */
public record RunContents(Path dir, String runConf, Checkpoints checkpoints, boolean exported) {}
