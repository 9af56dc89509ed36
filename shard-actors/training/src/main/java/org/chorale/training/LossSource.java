// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.training.pipeline.LearnableParameter;

/**
 * A model's parameters, and those of a loss in a unit of their own: they are optimised, clipped and stored like the
 * model's.
 */
public record LossSource(ParameterSource model, List<LearnableParameter> ofLoss, long seed) implements ParameterSource {
    @Override
    public List<UnitOutline> units() {
        if (ofLoss.isEmpty()) {
            return model.units();
        }
        List<ParameterOutline> parameters = ofLoss.stream()
                .map(parameter -> new ParameterOutline(
                        PipelineObjective.lossParameter(parameter.name()), parameter.shape(), parameter.trainable()))
                .toList();
        return Stream.concat(
                        model.units().stream(), Stream.of(new UnitOutline(PipelineObjective.LOSS_UNIT, parameters)))
                .toList();
    }

    @Override
    public void copyInto(String parameter, long from, long until, Tensor target) {
        ofLoss.stream()
                .filter(own -> PipelineObjective.lossParameter(own.name()).equals(parameter))
                .findFirst()
                .ifPresentOrElse(
                        own -> own.copyInto(seed, from, until, target),
                        () -> model.copyInto(parameter, from, until, target));
    }

    @Override
    public String fingerprint() {
        return model.fingerprint();
    }

    @Override
    public void close() {
        model.close();
    }
}
