// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Native objects live as long as their owner, and the count of references shows it. */
final class TensorScopeTest {
    private long before;

    @BeforeEach
    void count() {
        before = NativeMemory.liveReferences();
    }

    @Test
    void aScopeFreesWhatWasMadeInIt() {
        Tensor made;
        try (TensorScope scope = new TensorScope()) {
            made = HostTensors.zeros(ScalarType.Float, 4).add(Scalars.of(2));
            assertThat(NativeMemory.liveReferences()).isGreaterThan(before);
        }
        assertThat(made.isNull()).as("its native object is gone").isTrue();
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void whatIsKeptBelongsToTheScopeAround() {
        Tensor kept;
        try (TensorScope outer = new TensorScope()) {
            kept = doubled(HostTensors.ofLongs(new long[] {1, 2, 3}, 3));
            assertThat(kept.sum().item_long()).isEqualTo(12);
        }
        assertThat(kept.isNull()).isTrue();
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void nothingCanBeKeptWhereNoScopeIsAround() {
        try (TensorScope scope = new TensorScope()) {
            Tensor tensor = HostTensors.zeros(ScalarType.Float, 1);
            assertThatThrownBy(() -> scope.keep(tensor)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aHolderOutlivesScopesUntilItCloses() {
        HeldTensors holder = new HeldTensors();
        Tensor held;
        try (TensorScope scope = new TensorScope()) {
            held = holder.hold(HostTensors.zeros(ScalarType.Double, 2, 3));
        }
        assertThat(held.numel()).isEqualTo(6);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before + 1);
        holder.close();
        holder.close();
        assertThat(held.isNull()).isTrue();
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void anExceptionInsideBracesLeavesNothingBehind() {
        assertThatThrownBy(() -> {
                    try (TensorScope scope = new TensorScope()) {
                        HostTensors.zeros(ScalarType.Float, 2).mm(HostTensors.zeros(ScalarType.Float, 3));
                    }
                })
                .isInstanceOf(RuntimeException.class);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void anOperatorWithoutAMethodIsCalledByName() {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = HostTensors.zeros(ScalarType.Float, 2, 4);
            Tensor[] results = Operator.named("aten::_softmax").call(logits, 1L, false);
            assertThat(results).hasSize(1);
            assertThat(results[0].sum().item_float()).isEqualTo(2);
            assertThatThrownBy(() -> Operator.named("aten::_softmax").call(List.of(1), "text"))
                    .isInstanceOf(RuntimeException.class);
        }
        assertThatThrownBy(() -> Operator.named("aten::no_such_operator")).isInstanceOf(RuntimeException.class);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    private static Tensor doubled(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(x.add(x));
        }
    }
}
