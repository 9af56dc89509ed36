// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.Scalars;

/**
 * First weights that the device draws where they are to lie, by libtorch's own generator: of 8 billion in a second or
 * two. They follow the usual distribution, N(0, 0.02²), but not the keyed one that runs are repeated by.
 */
final class DrawnWeights implements ParameterSource {
    private static final double DEVIATION = 0.02;
    private static final long SEED = 42;

    private final ModelFolder folder;

    /** @param folder says which parameters there are; closed with this */
    DrawnWeights(ModelFolder folder) {
        this.folder = folder;
        torch.manual_seed(SEED);
    }

    @Override
    public List<UnitOutline> units() {
        return folder.units();
    }

    @Override
    public void copyInto(String parameter, long from, long until, Tensor target) {
        if (parameter.endsWith("norm.weight")) {
            target.fill_(Scalars.of(1));
        } else if (parameter.endsWith(".bias") || parameter.endsWith(".lora_B.weight")) {
            target.zero_();
        } else {
            target.normal_(0, DEVIATION, new GeneratorOptional());
        }
    }

    @Override
    public String fingerprint() {
        return folder.fingerprint();
    }

    @Override
    public void close() {
        folder.close();
    }
}
