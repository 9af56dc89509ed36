// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

/**
 * Proof of what was written.
 *
 * @param bytes length of the file
 * @param sha256 digest of its content, in lower-case hexadecimal
 */
public record WrittenFile(long bytes, String sha256) {}
