// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Stands between a model folder and the decoder: what each Hugging Face family's config.json says, as settings of the one
 * decoder. A family is a file here.
 */
@NullMarked
package org.chorale.model.family;

import org.jspecify.annotations.NullMarked;
