// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

/** Stand-in. */
public record Span(int from, int until) {}
