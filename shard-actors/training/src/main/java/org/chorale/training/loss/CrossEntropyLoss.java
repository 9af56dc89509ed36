// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Next-token cross entropy in nats: −log softmax(logits)[target], summed. M rows that count, V vocabulary.
 *
 * <p>Its gradient with respect to the logits is softmax − one-hot.
 */
public final class CrossEntropyLoss {
    /**
     * @param logits [M, V]
     * @param targets [M] int64, each below V
     */
    public LossOutput compute(Tensor logits, Tensor targets) {
        try (TensorScope scope = new TensorScope()) {
            Tensor column = targets.unsqueeze(-1); // [M, 1]
            Tensor logProbabilities = torch.log_softmax(logits, -1); // [M, V]
            Tensor sum = logProbabilities.gather(-1, column).sum().neg_();
            Tensor gradient = logProbabilities.exp_();
            gradient.scatter_add_(
                    -1, column, torch.full_like(column, Scalars.of(-1)).to(gradient.scalar_type()));
            return new LossOutput(scope.keep(sum), targets.numel(), scope.keep(gradient));
        }
    }
}
