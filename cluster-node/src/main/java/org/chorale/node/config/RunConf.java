// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import java.nio.file.Path;

/**
 * A run's configuration, checked and complete.
 *
 * @param text every key with its value in HOCON, paths absolute: what travels in messages and is stored as run.conf
 * @param dir the run directory, absolute
 */
public record RunConf(String text, Path dir) {}
