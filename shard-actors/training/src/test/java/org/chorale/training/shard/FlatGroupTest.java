// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.UnitLayout.Gap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What is held of trained and of frozen parameters. */
final class FlatGroupTest {
    private static final UnitOutline UNIT = new UnitOutline(
            "block",
            List.of(ParameterOutline.of("a", 3, 5), ParameterOutline.of("b", 7).frozen(), ParameterOutline.of("c", 2)));

    @ParameterizedTest
    @CsvSource({"FP32,128,64", "BF16,128,128", "FP16,128,128"})
    void trainedAndFrozenParametersLieInAlignedBuffersOfTheirOwn(Precision precision, long trained, long frozen) {
        UnitLayout layout = UnitLayout.whole(UNIT, precision);
        assertThat(layout.groups()).extracting(UnitLayout.Group::trainable).containsExactly(true, false);
        assertThat(layout.groups()).extracting(UnitLayout.Group::elements).containsExactly(trained, frozen);
        assertThat(layout.groups().get(0).segments())
                .extracting(UnitLayout.Segment::parameter)
                .containsExactly("a", "c");
        assertThat(layout.groups().get(0).segments())
                .extracting(UnitLayout.Segment::offset)
                .containsExactly(0L, 64L);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0   | 128 | a [0, 15) at 0; c [0, 2) at 64
            0   | 10  | a [0, 10) at 0
            10  | 65  | a [10, 15) at 0; c [0, 1) at 54
            65  | 128 | c [1, 2) at 0
            15  | 64  | NOTHING
            3   | 3   | NOTHING
            """)
    void aRankHoldsTheSlicesThatItsPartCuts(long from, long until, String expected) {
        UnitLayout.Group whole = UnitLayout.whole(UNIT, Precision.FP32).groups().get(0);
        UnitLayout.Group part = whole.cut(whole.elements(), from, until);
        assertThat(part.slices().stream()
                        .map(slice -> "%s [%d, %d) at %d"
                                .formatted(slice.segment().parameter(), slice.from(), slice.until(), slice.at()))
                        .collect(Collectors.joining("; ")))
                .isEqualTo(expected.replace("NOTHING", ""));
    }

    @Test
    void clearedGradientsAreZeroOnceSettledWhateverLayInTheirMemory() {
        try (HeldTensors owner = new HeldTensors();
                TensorScope scope = new TensorScope()) {
            FlatGroup group = group(Precision.FP32, 0, owner);
            for (Parameter parameter : group.parameters().values()) {
                Objects.requireNonNull(parameter.gradient()).fill_(Scalars.of(Double.NaN));
            }
            group.clearGradients();
            parameter(group, "c").addGradient(torch.ones(2));
            group.settleGradients();
            assertThat(group.gradients().sum().item_float()).isEqualTo(2);
        }
    }

    @Test
    void paddingLiesBehindEachParameter() {
        UnitLayout.Group group = UnitLayout.whole(UNIT, Precision.FP32).groups().get(0);
        assertThat(group.gaps()).containsExactly(new Gap(15, 64), new Gap(66, 128));
        assertThat(new UnitLayout.Group(
                                true,
                                Precision.FP32,
                                false,
                                15,
                                group.segments().subList(0, 1))
                        .gaps())
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"FP32,8,4", "BF16,10,2", "FP16,10,2"})
    void aTrainedNumberTakesMasterGradientAndComputeCopyAndAFrozenOneTheLastAlone(
            Precision precision, long trainedBytes, long frozenBytes) {
        try (HeldTensors owner = new HeldTensors()) {
            FlatGroup trained = group(precision, 0, owner);
            FlatGroup frozen = group(precision, 1, owner);
            long copy = precision == Precision.FP32
                    ? 0
                    : trained.values().orElseThrow().nbytes();
            assertThat(trained.master().nbytes() + trained.gradients().nbytes() + copy)
                    .isEqualTo(trainedBytes * trained.layout().elements());
            assertThat(frozen.values().orElseThrow().nbytes())
                    .isEqualTo(frozenBytes * frozen.layout().elements());
        }
    }

    @ParameterizedTest
    @EnumSource
    void parametersAreViewsOfWhatComputesAndOfGradientsInFp32(Precision precision) {
        try (HeldTensors owner = new HeldTensors();
                TensorScope scope = new TensorScope()) {
            FlatGroup group = group(precision, 0, owner);
            Parameter c = parameter(group, "c");
            Tensor gradient = Objects.requireNonNull(c.gradient());
            group.values().orElseThrow().fill_(Scalars.of(3));
            group.gradients().fill_(Scalars.of(4));
            assertThat(c.value().scalar_type().intern()).isEqualTo(precision.type());
            assertThat(c.value().to(ScalarType.Float).sum().item_float()).isEqualTo(6);
            assertThat(gradient.scalar_type().intern()).isEqualTo(ScalarType.Float);
            assertThat(gradient.sum().item_float()).isEqualTo(8);
            assertThat(parameter(group(precision, 1, owner), "b").trainable()).isFalse();
        }
    }

    @Test
    void masterWeightsKeepWhatTheComputeCopyRoundsAway() {
        float fine = 1 + 0x1p-20f; // bf16 has 8 bits
        try (HeldTensors owner = new HeldTensors();
                TensorScope scope = new TensorScope()) {
            FlatGroup group = group(Precision.BF16, 0, owner);
            group.master().fill_(Scalars.of(fine));
            group.refresh();
            assertThat(first(group.master())).isEqualTo(fine);
            assertThat(first(group.values().orElseThrow().to(ScalarType.Float))).isEqualTo(1);
            group.master().add_(Scalars.of(1));
            group.refresh();
            assertThat(first(group.values().orElseThrow().to(ScalarType.Float))).isEqualTo(2);
        }
    }

    @Test
    void aFrozenGroupHasNeitherGradientsNorMasterWeights() {
        try (HeldTensors owner = new HeldTensors()) {
            FlatGroup frozen = group(Precision.FP32, 1, owner);
            assertThatThrownBy(frozen::gradients).hasMessage("the group of [b] is frozen");
            assertThatThrownBy(frozen::master).hasMessage("the group of [b] is frozen");
        }
    }

    private static FlatGroup group(Precision precision, int index, HeldTensors owner) {
        return new FlatGroup(UnitLayout.whole(UNIT, precision).groups().get(index), owner);
    }

    private static Parameter parameter(FlatGroup group, String name) {
        return Objects.requireNonNull(group.parameters().get(name));
    }

    private static float first(Tensor tensor) {
        return tensor.select(0, 0).item_float();
    }
}
