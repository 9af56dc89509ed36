// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.List;

/** Stand-in. */
public record RenderedChat(String text, List<Span> trained) {}
