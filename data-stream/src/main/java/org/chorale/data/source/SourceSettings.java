// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;

/**
 * A source of examples as the run's configuration names it.
 *
 * @param key of the configuration that gives the path, for messages
 * @param path a {@code .jsonl} file, or a folder of text files
 * @param malformedRows what becomes of rows that cannot be used
 * @param sequenceTokens longest sequence, which text is cut to
 */
public record SourceSettings(String key, Path path, MalformedRows malformedRows, int sequenceTokens) {}
