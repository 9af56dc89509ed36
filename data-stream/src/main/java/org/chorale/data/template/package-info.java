// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/** Stand-in. */
@NullMarked
package org.chorale.data.template;

import org.jspecify.annotations.NullMarked;
