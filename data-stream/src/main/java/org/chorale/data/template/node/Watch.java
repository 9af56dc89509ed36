// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** Hears during a rendering where something was written, in UTF-16 units of the text. */
public interface Watch {
    /** A loop had this element as its current one while it wrote {@code from} until {@code until}. */
    void looped(Value element, int from, int until);

    /** A {@code generation} block wrote {@code from} until {@code until}. */
    void generated(int from, int until);

    /** A {@code generation} block was captured by a macro, a call, a filter or a set block: its place is not known. */
    void generatedOutOfSight();
}
