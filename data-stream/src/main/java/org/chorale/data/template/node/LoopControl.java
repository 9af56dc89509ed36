// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** {@code break} and {@code continue}. */
public record LoopControl(Flow flow) implements Statement {
    @Override
    public Flow run(Frame frame) {
        return flow;
    }
}
