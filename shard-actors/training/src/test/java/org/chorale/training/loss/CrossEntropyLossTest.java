// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

/** The gradient is the derivative of the sum: by autograd, and by central differences in fp64. */
final class CrossEntropyLossTest {
    private static final double STEP = 1e-6;

    private final CrossEntropyLoss loss = new CrossEntropyLoss();

    @Test
    void sumAndGradientAreAutogradsOwn() {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = logits();
            Tensor targets = targets();
            LossOutput output = loss.compute(logits, targets);
            Tensor leaf = logits.clone();
            leaf.set_requires_grad(true);
            Tensor plain = torch.log_softmax(leaf, -1)
                    .gather(-1, targets.unsqueeze(-1))
                    .sum()
                    .neg();
            plain.backward();
            assertThat(output.weight()).isEqualTo(4);
            assertThat(output.sum().item_double()).isCloseTo(plain.item_double(), within(1e-12));
            assertThat(output.gradient().sub(leaf.grad()).abs().max().item_double())
                    .isLessThan(1e-12);
        }
    }

    @Test
    void theGradientIsTheDifferenceQuotient() {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = logits();
            Tensor gradient = loss.compute(logits, targets()).gradient().view(-1);
            for (long i = 0; i < logits.numel(); i++) {
                double quotient = (sumAt(logits, i, STEP) - sumAt(logits, i, -STEP)) / (2 * STEP);
                assertThat(gradient.select(0, i).item_double()).as("logit " + i).isCloseTo(quotient, within(1e-7));
            }
        }
    }

    private double sumAt(Tensor logits, long element, double shift) {
        try (TensorScope scope = new TensorScope()) {
            Tensor shifted = logits.clone();
            shifted.view(-1).select(0, element).add_(new Scalar(shift));
            return loss.compute(shifted, targets()).sum().item_double();
        }
    }

    private static Tensor logits() {
        torch.manual_seed(3);
        return torch.randn(new long[] {4, 6}, new TensorOptions(ScalarType.Double));
    }

    private static Tensor targets() {
        return HostTensors.ofLongs(new long[] {5, 0, 3, 3}, 4);
    }
}
