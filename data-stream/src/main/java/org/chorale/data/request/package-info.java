// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Tokenizes on request, a line of JSON for a line of JSON: what {@code chorale tokenize} does. Beside the way of a batch,
 * with the same tokenizer and template.
 */
@NullMarked
package org.chorale.data.request;

import org.jspecify.annotations.NullMarked;
