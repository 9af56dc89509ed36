// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.function.Function;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Units;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.SingleRank;
import org.chorale.tensor.device.Device;

/**
 * What code that computes with a shard's parameters sees of it.
 *
 * @param parameters by name
 * @param units to be opened before the parameters in them are used
 * @param world all ranks of the run
 * @param device where the parameters are
 */
public record ShardView(Function<String, Parameter> parameters, Units units, Collectives world, Device device) {
    /** Parameters that one rank holds alone on the CPU, and that are always there. */
    public static ShardView of(Function<String, Parameter> parameters) {
        return new ShardView(parameters, Units.ALWAYS_OPEN, new SingleRank(), Device.CPU);
    }

    /** A parameter by name. */
    public Parameter parameter(String name) {
        return parameters.apply(name);
    }

    /** Whether other ranks compute too. */
    public boolean isShared() {
        return world.worldSize() > 1;
    }
}
