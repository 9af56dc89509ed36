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
 * The elements [from, until) of the part of a flat buffer that a rank holds: neighbouring parameters that are trained
 * alike, and the padding after them.
 *
 * @param buffer its index among those that are trained
 */
record ParameterRun(int buffer, long from, long until) {
    /** The run's part of one flat tensor per buffer. */
    Tensor of(List<Tensor> buffers) {
        return in(buffers.get(buffer));
    }

    /** The run's part of a flat tensor of its buffer. */
    Tensor in(Tensor flat) {
        return flat.narrow(0, from, until - from);
    }

    /**
     * Cuts a rank's parts of the buffers into runs as long as can be, by what they are trained with. Where neither
     * {@code optimizer.groups} nor {@code optimizer.lora-plus-ratio} says otherwise, every part is one run.
     *
     * @throws IllegalArgumentException where one of them gets no parameter of any rank
     */
    static Map<Hyperparameters, List<ParameterRun>> cut(OptimizerConfig config, List<UnitLayout.Group> buffers) {
        refuseWhatIsUnused(config, buffers);
        Map<Hyperparameters, List<ParameterRun>> runs = new LinkedHashMap<>();
        for (int buffer = 0; buffer < buffers.size(); buffer++) {
            List<Segment> segments = buffers.get(buffer).segments();
            long from = 0;
            for (int i = 0; i < segments.size(); i++) {
                Hyperparameters own = config.hyperparameters(segments.get(i));
                boolean last = i + 1 == segments.size();
                if (last || !own.equals(config.hyperparameters(segments.get(i + 1)))) {
                    long until = last
                            ? buffers.get(buffer).elements()
                            : segments.get(i + 1).offset();
                    ParameterRun run = held(buffer, from, until, buffers.get(buffer));
                    if (run.from < run.until) {
                        runs.computeIfAbsent(own, key -> new ArrayList<>()).add(run);
                    }
                    from = until;
                }
            }
        }
        return runs;
    }

    /** What of the whole buffer's [from, until) is in the part; may be nothing. */
    private static ParameterRun held(int buffer, long from, long until, UnitLayout.Group layout) {
        return new ParameterRun(
                buffer, Math.max(from, layout.from()) - layout.from(), Math.min(until, layout.until()) - layout.from());
    }

    private static void refuseWhatIsUnused(OptimizerConfig config, List<UnitLayout.Group> buffers) {
        List<ParameterGroup> unused = new ArrayList<>(config.groups());
        buffers.stream()
                .flatMap(buffer -> buffer.segments().stream())
                .forEach(segment -> config.groups().stream()
                        .filter(group -> group.matches(segment.parameter()))
                        .findFirst()
                        .ifPresent(unused::remove));
        List<String> problems = new ArrayList<>();
        unused.forEach(group -> problems.add("optimizer.groups[%d].match = %s: no parameter that is trained matches,"
                        .formatted(config.groups().indexOf(group), group.match())
                + " or an entry before it has them all"));
        boolean adapted =
                buffers.stream().flatMap(buffer -> buffer.segments().stream()).anyMatch(OptimizerConfig::isUp);
        config.loraPlusRatio()
                .filter(ratio -> !adapted)
                .ifPresent(ratio -> problems.add(
                        "optimizer.lora-plus-ratio = %s: no adapter is trained (model.adapter.type)".formatted(ratio)));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }
}
