// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code if}, {@code elif} and {@code else}. Its bodies have no scope of their own. */
public record If(List<Branch> branches, @Nullable Block otherwise) implements Statement {
    /** A condition, and what is done if it is the first that holds. */
    public record Branch(Expression condition, Block body, int line) {}

    @Override
    public Flow run(Frame frame) {
        for (Branch branch : branches) {
            frame.rendering().at(branch.line());
            if (frame.value(branch.condition()).isTrue()) {
                return branch.body().run(frame);
            }
        }
        return otherwise == null ? Flow.NEXT : otherwise.run(frame);
    }
}
