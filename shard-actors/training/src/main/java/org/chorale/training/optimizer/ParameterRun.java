// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Segment;

/**
 * The elements [from, until) of a flat buffer: neighbouring parameters that are trained alike, and the padding after
 * them.
 *
 * @param buffer its index among those that are trained
 */
record ParameterRun(int buffer, long from, long until) {
    /** The run's part of one flat tensor per buffer. */
    Tensor of(List<Tensor> buffers) {
        return buffers.get(buffer).narrow(0, from, until - from);
    }

    /**
     * Cuts buffers into runs as long as can be, by what they are trained with. Where {@code optimizer.groups} is empty,
     * every buffer is one run.
     *
     * @throws IllegalArgumentException where an entry of {@code optimizer.groups} gets no parameter
     */
    static Map<Hyperparameters, List<ParameterRun>> cut(OptimizerConfig config, List<UnitLayout.Group> buffers) {
        refuseEmptyGroups(config, buffers);
        Map<Hyperparameters, List<ParameterRun>> runs = new LinkedHashMap<>();
        for (int buffer = 0; buffer < buffers.size(); buffer++) {
            List<Segment> segments = buffers.get(buffer).segments();
            long from = 0;
            for (int i = 0; i < segments.size(); i++) {
                Hyperparameters own = config.hyperparameters(segments.get(i).parameter());
                boolean last = i + 1 == segments.size();
                if (last
                        || !own.equals(
                                config.hyperparameters(segments.get(i + 1).parameter()))) {
                    long until = last
                            ? buffers.get(buffer).elements()
                            : segments.get(i + 1).offset();
                    runs.computeIfAbsent(own, key -> new ArrayList<>()).add(new ParameterRun(buffer, from, until));
                    from = until;
                }
            }
        }
        return runs;
    }

    private static void refuseEmptyGroups(OptimizerConfig config, List<UnitLayout.Group> buffers) {
        List<ParameterGroup> unused = new ArrayList<>(config.groups());
        buffers.stream()
                .flatMap(buffer -> buffer.segments().stream())
                .forEach(segment -> config.groups().stream()
                        .filter(group -> group.matches(segment.parameter()))
                        .findFirst()
                        .ifPresent(unused::remove));
        if (!unused.isEmpty()) {
            List<String> problems = unused.stream()
                    .map(group -> "optimizer.groups[%d].match = %s: no parameter that is trained matches,"
                                    .formatted(config.groups().indexOf(group), group.match())
                            + " or an entry before it has them all")
                    .toList();
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }
}
