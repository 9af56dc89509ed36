// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.value.Value;

/** {@code call(…) function(…)}: a call that can call the block's body by {@code caller}. */
public record CallBlock(Call call, MacroBody body) implements Statement {
    @Override
    public Flow run(Frame frame) {
        Value value = call.evaluate(frame, new Macro(body, frame));
        frame.rendering().write(value.text(frame.budget()));
        return Flow.NEXT;
    }
}
