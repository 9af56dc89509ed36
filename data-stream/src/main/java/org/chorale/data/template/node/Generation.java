// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

/** {@code generation}: what the assistant is to learn to write. */
public record Generation(Block body) implements Statement {
    @Override
    public Flow run(Frame frame) {
        Rendering rendering = frame.rendering();
        int from = rendering.length();
        Flow flow = body.run(frame.inner());
        Watch watch = rendering.watch();
        Watch blind = rendering.blindWatch();
        if (watch != null) {
            watch.generated(from, rendering.length());
        } else if (blind != null) {
            blind.generatedOutOfSight();
        }
        return flow;
    }
}
