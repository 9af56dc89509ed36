// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import java.util.List;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/**
 * Blocks whose text is filtered and then written, or assigned by a {@code set} block.
 *
 * @param filters that are applied to what the body writes, the first one first
 * @param target what it is assigned to; null where it is written
 */
public record FilteredBlock(
        Block body, List<FilterCall.Step> filters, @Nullable Target target, int line) implements Statement {
    @Override
    public Flow run(Frame frame) {
        frame.rendering().at(line);
        if (target != null) {
            target.check(frame);
        }
        Frame inner = frame.inner();
        Flow[] flow = {Flow.NEXT};
        Value value = StrValue.of(frame.rendering().captured(() -> flow[0] = body.run(inner)));
        if (flow[0] != Flow.NEXT) {
            return flow[0]; // what a loop ended in the middle of is dropped
        }
        for (FilterCall.Step filter : filters) {
            value = filter.apply(value, inner);
        }
        if (target != null) {
            target.assign(value, frame);
        } else {
            frame.rendering().write(value.text(frame.budget()));
        }
        return Flow.NEXT;
    }
}
