// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Which examples there are once rows are tokenized, and how long each is: needed where a step depends on lengths, where
 * an overlong row is refused or split, and where a template may refuse a row. Between {@code example} and {@code order}.
 */
@NullMarked
package org.chorale.data.measure;

import org.jspecify.annotations.NullMarked;
