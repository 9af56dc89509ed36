// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** First values of what users declare. */
final class LearnableParameterTest {
    /** What fills it may look at the whole: here its diagonal is one. */
    private static final FirstValue WITH_DIAGONAL = (target, generator) -> {
        target.normal_(0, 1, generator);
        target.fill_diagonal_(Scalars.of(1));
    };

    @ParameterizedTest
    @EnumSource(names = {"Float", "BFloat16"})
    void aPartIsWhatItIsInTheWhole(ScalarType type) {
        LearnableParameter parameter = LearnableParameter.of("gate", WITH_DIAGONAL, 5, 7);
        try (TensorScope scope = new TensorScope()) {
            Tensor whole = HostTensors.zeros(type, 5, 7);
            parameter.draw(3, whole);
            Tensor part = HostTensors.zeros(type, 21);
            parameter.copyInto(3, 11, 32, part);
            assertThat(torch.equal(part, whole.view(-1L).narrow(0, 11, 21))).isTrue();
            assertThat(part.select(0, 13).to(ScalarType.Float).item_float()).isEqualTo(1);
        }
    }
}
