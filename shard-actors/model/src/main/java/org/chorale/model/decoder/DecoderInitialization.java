// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Initialization;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.tensor.Scalars;

/**
 * First weights as Transformers draws them: norms multiply by 1, biases are 0, everything else comes from N(0,
 * initializer_range²).
 */
public final class DecoderInitialization {
    private final DecoderConfig config;
    private final Map<String, NormConfig> norms; // by their weights

    public DecoderInitialization(DecoderConfig config) {
        this.config = config;
        this.norms = Stream.concat(config.blocks().stream().flatMap(BlockConfig::norms), Stream.of(config.norm()))
                .collect(Collectors.toMap(NormConfig::weight, Function.identity()));
    }

    /** Fills {@code target} with a part of a parameter. */
    public void draw(long seed, Part part, Tensor target) {
        NormConfig norm = norms.get(part.parameter());
        if (norm != null) {
            target.fill_(Scalars.of(norm.kind() == NormConfig.Kind.RMS_FROM_ONE ? 0 : 1));
        } else if (part.parameter().endsWith(".bias")) {
            target.zero_();
        } else {
            Initialization.normal(part, config.initialDeviation(), seed, target);
        }
    }
}
