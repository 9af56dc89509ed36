// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.LinearOutline;

/**
 * The feed-forward network of a block.
 *
 * @param inputs linears that read its input: gate and up, or one for both, or, where it is not gated, up alone
 * @param gated whether what up gives is multiplied by what gate gives, activated
 * @param down the linear behind it
 * @param innerWidth F
 */
public record FeedForwardConfig(
        List<LinearOutline> inputs, boolean gated, Activation activation, LinearOutline down, long innerWidth) {
    public FeedForwardConfig {
        inputs = List.copyOf(inputs);
    }

    /** Columns of what the linears give that read its input. */
    long projectedWidth() {
        return gated ? 2 * innerWidth : innerWidth;
    }
}
