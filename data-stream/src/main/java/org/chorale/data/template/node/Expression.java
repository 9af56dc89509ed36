// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** What has a value. Parents ask for it by {@link Frame#value}, which counts and guards the depth. */
public interface Expression {
    Value evaluate(Frame frame);
}
