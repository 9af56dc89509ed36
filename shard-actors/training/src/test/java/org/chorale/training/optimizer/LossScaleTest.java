// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The scale goes as torch's GradScaler has it go. */
final class LossScaleTest {
    @Test
    void itIsHalvedByAnOverflowAndDoubledAfterTwoThousandGoodSteps() {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(Precision.FP16, Device.CPU)) {
            assertThat(value(scale)).isEqualTo(65_536);
            scale.update(flag(1), truth(false));
            assertThat(value(scale)).isEqualTo(32_768);
            run(scale, 1_999);
            assertThat(value(scale)).isEqualTo(32_768);
            run(scale, 1);
            assertThat(value(scale)).isEqualTo(65_536);
        }
    }

    @Test
    void anOverflowStartsTheCountAgain() {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(Precision.FP16, Device.CPU)) {
            run(scale, 1_999);
            scale.update(flag(1), truth(false));
            run(scale, 1_999);
            assertThat(value(scale)).isEqualTo(32_768);
        }
    }

    @Test
    void aStepWithoutAnythingToTrainOnDoesNotCount() {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(Precision.FP16, Device.CPU)) {
            scale.update(flag(0), truth(true));
            run(scale, 1_999);
            scale.update(flag(0), truth(true));
            assertThat(value(scale)).isEqualTo(65_536);
            run(scale, 1);
            assertThat(value(scale)).isEqualTo(131_072);
        }
    }

    @Test
    void itNeverFallsBelowOneAndSaysThatItCannot() {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(Precision.FP16, Device.CPU)) {
            for (int i = 0; i < 16; i++) {
                assertThat(LossScale.canShrink(value(scale)))
                        .as("before overflow %d", i)
                        .isTrue();
                scale.update(flag(1), truth(false));
            }
            assertThat(LossScale.canShrink(value(scale))).isFalse();
            scale.update(flag(1), truth(false));
            assertThat(value(scale)).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = "FP16", mode = EnumSource.Mode.EXCLUDE)
    void otherPrecisionsNeedNone(Precision precision) {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(precision, Device.CPU)) {
            scale.update(flag(1), truth(false));
            assertThat(value(scale)).isEqualTo(1);
            assertThat(scale.isDynamic()).isFalse();
            assertThat(scale.state()).isEmpty();
        }
    }

    @Test
    void itsStateIsScaleAndCount() {
        try (TensorScope scope = new TensorScope();
                LossScale scale = LossScale.of(Precision.FP16, Device.CPU)) {
            run(scale, 7);
            assertThat(scale.state()).containsOnlyKeys("loss-scale.scale", "loss-scale.good-steps");
            Tensor goodSteps = Objects.requireNonNull(scale.state().get("loss-scale.good-steps"));
            assertThat(goodSteps.item_int()).isEqualTo(7);
        }
    }

    private static void run(LossScale scale, int goodSteps) {
        Tensor finite = flag(0);
        Tensor trained = truth(false);
        for (int i = 0; i < goodSteps; i++) {
            scale.update(finite, trained);
        }
    }

    private static float value(LossScale scale) {
        return scale.scale().item_float();
    }

    private static Tensor truth(boolean value) {
        return HostTensors.zeros(ScalarType.Bool, 1).fill_(Scalars.of(value ? 1 : 0));
    }

    private static Tensor flag(double notFinite) {
        return HostTensors.zeros(ScalarType.Float, 1).fill_(Scalars.of(notFinite));
    }
}
